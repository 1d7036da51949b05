#include "instance/runtime.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/child.h"
#include "base/file.h"
#include "instance/view.h"

extern "C" int umount2(const char*, int) noexcept;  // <sys/mount.h> clashes with <linux/mount.h> of this glibc

namespace instance {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::chrono::seconds kPatience{30};
constexpr int kDetach = 2;  // MNT_DETACH

// crun refuses a host that has cgroup v2 mounted beside v1, though it needs no more of v2 than of any other file
// system. This mount namespace is ours alone. A host whose controllers are there is left as it is.
void hide_unified_hierarchy(const Plan& plan) {
  const std::string unified = "/sys/fs/cgroup/unified";
  bool is_used = std::ranges::any_of(plan.cgroup_entrances,
                                     [&](const std::string& entrance) { return entrance.starts_with(unified + "/"); });
  if (!is_used && fs::exists(unified)) (void)::umount2(unified.c_str(), kDetach);
}

// What it wrote to its log: the last message is the one that ended it.
std::string last_words(const Plan& plan) {
  std::istringstream lines(base::read_file(plan.runtime.log).value_or(""));
  std::string words;
  for (std::string line; std::getline(lines, line);) {
    auto entry = json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("msg") && entry["msg"].is_string()) words = entry["msg"];
  }
  return words.empty() ? "it gave no reason" : words;
}

base::Result<void> run_runtime(const Plan& plan, const Network& network, const base::Fd& socket,
                               const base::Fd& setup) {
  base::Command command;
  command.argv = plan.runtime.argv;
  command.env = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  command.cwd = "/";
  auto null = base::open("/dev/null", O_RDWR);
  if (!null) return std::unexpected(null.error());
  command.stdin_fd = command.stdout_fd = command.stderr_fd = null->get();
  command.keep = {{socket.get(), kInitSocketFd}, {setup.get(), kInitSetupFd}};
  std::vector<base::Fd> groups;
  for (const auto& entrance : plan.cgroup_entrances) {
    if (!plan.runtime.enter_groups) break;
    auto group = base::open(entrance, O_WRONLY);
    if (!group) return base::wrap(group.error(), "enter the control group");
    groups.push_back(std::move(*group));
  }
  command.in_child = [&] {
    if (!network.enter()) ::_exit(125);
    for (const auto& group : groups)
      if (::write(group.get(), "0", 1) != 1) ::_exit(125);
  };
  auto child = base::Child::spawn(command);
  if (!child) return base::wrap(child.error(), "start the container runtime");
  auto ended = child->wait_for(kPatience);
  if (!ended) return std::unexpected(ended.error());
  const auto& name = plan.runtime.argv.front();
  if (!*ended) return base::fail(base::Kind::unavailable, "{} did not start the container within 30 s", name);
  if (base::succeeded(**ended)) return {};
  return base::fail(base::Kind::internal, "{} could not start the container: {}", name, last_words(plan));
}

base::Result<Init> find_init(const Plan& plan) {
  auto text = base::read_file(plan.runtime.pid_file);
  if (!text) return base::wrap(text.error(), "find the container's first process");
  Init init;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), init.pid);
  if (error != std::errc() || init.pid <= 0)
    return base::fail(base::Kind::internal, "find the container's first process: \"{}\" is no pid", *text);
  init.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, init.pid, 0)));
  if (!init.pidfd.is_open()) return base::errno_error("find the container's first process");
  return init;
}

// A runtime that puts the container elsewhere than the configuration says (runc resolves a relative path on cgroup v2
// beside its own group) would leave it without limits.
base::Result<void> check_groups(const Plan& plan, pid_t init) {
  for (const auto& entrance : plan.cgroup_entrances) {
    auto pids = base::read_file(entrance);
    if (!pids) return base::wrap(pids.error(), "look into the container's control group");
    if (("\n" + *pids).find(fmt::format("\n{}\n", init)) != std::string::npos) continue;
    return base::fail(base::Kind::unsupported,
                      "{} started the container outside its control group {}, where no limits would hold for it",
                      plan.runtime.argv.front(), fs::path(entrance).parent_path().string());
  }
  return {};
}

}  // namespace

base::Result<Init> start_init_by_runtime(const Plan& plan, const Network& network) {
  if (auto built = build_root(plan); !built) return std::unexpected(built.error());
  hide_unified_hierarchy(plan);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return base::errno_error("become the container's parent");
  auto sockets = base::socketpair(SOCK_STREAM);
  auto setup = base::pipe();
  if (!sockets || !setup) return base::errno_error("create the instance's pipes");
  if (auto ran = run_runtime(plan, network, sockets->theirs, setup->write); !ran) return std::unexpected(ran.error());
  sockets->theirs.close();
  setup->write.close();
  auto init = find_init(plan);
  if (!init) return init;
  init->socket = std::move(sockets->ours);
  auto done = wait_for_setup(setup->read);
  if (done) done = check_groups(plan, init->pid);
  if (done) return init;
  ::syscall(SYS_pidfd_send_signal, init->pidfd.get(), SIGKILL, nullptr, 0);
  return std::unexpected(done.error());
}

}  // namespace instance
