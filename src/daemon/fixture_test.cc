#include "daemon/fixture_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "app/pack.h"
#include "base/file.h"
#include "base/log.h"

namespace control_plane::testing_support {
namespace {

namespace fs = std::filesystem;

// The daemon reads uploads with its own executable, which here is this test.
const bool kReadsUploads = [] {
  auto arguments = base::read_file("/proc/self/cmdline").value_or("");
  if (arguments.ends_with(std::string("\0read-upload\0", 13))) {
    int status = read_upload_in_child_or_misbehave();
    std::fflush(stdout);
    ::_exit(status);
  }
  return true;
}();

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

fs::path make_library(const fs::path& root) {
  for (const auto& interpreter : app::find_interpreters(app::default_search()))
    fs::create_directories(root / "library/engine" / interpreter.cache_tag);
  return root / "library";
}

}  // namespace

FakeEnvironment::~FakeEnvironment() {
  for (auto& server : servers_) server.request_stop();
}

base::Result<void> FakeEnvironment::check(const environment::Demand& demand) {
  if (!refused.contains(demand.kind)) return {};
  return base::fail(base::Kind::overloaded, "there is no room for {} in {}", demand.app, to_string(demand.kind));
}

base::Result<environment::Identity> FakeEnvironment::prepare(const std::string& app) {
  for (const auto& folder : {paths_.data(app), paths_.cache(app)}) fs::create_directories(folder);
  return environment::Identity{::geteuid(), ::getegid()};
}

base::Result<environment::Instance> FakeEnvironment::start(const environment::InstanceSpec& spec,
                                                           environment::Launch&) {
  if (fail_start) return base::fail(base::Kind::unavailable, "the instance did not start");
  started.push_back(spec.kind);
  fs::create_directories(paths_.instance(spec.id));
  std::ofstream(paths_.instance(spec.id) / "port") << spec.port;
  if (answer != 0) serve(spec.port);
  return environment::Instance{.app = spec.app, .id = spec.id, .socket = {}, .port = spec.port, .supervisor = 0};
}

void FakeEnvironment::serve(std::uint16_t port) {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  servers_.emplace_back([listener, status = answer](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd ready{listener, POLLIN, 0};
      if (::poll(&ready, 1, 10) <= 0) continue;
      base::Fd client(::accept(listener, nullptr, nullptr));
      char request[4096];
      (void)!::read(client.get(), request, sizeof request);
      (void)base::write_all(client.get(), fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status));
    }
    ::close(listener);
  });
}

base::Result<environment::Adoption> FakeEnvironment::stop(const std::string& id) {
  std::lock_guard lock(mutex_);
  stopped.push_back(id);
  return environment::Adoption{};
}

base::Result<void> FakeEnvironment::destroy(const std::string& id) { return base::remove_tree(paths_.instance(id)); }

base::Result<void> FakeEnvironment::forget(const std::string& app) { return base::remove_tree(paths_.data(app)); }

base::Result<environment::Inspection> FakeEnvironment::inspect(const std::string& id) {
  auto port = base::read_file(paths_.instance(id) / "port");
  if (!port) return base::not_found("there is no instance {}", id);
  environment::Inspection inspection;
  inspection.instance.id = id;
  inspection.instance.port = static_cast<std::uint16_t>(std::stoi(*port));
  inspection.state = environment::InstanceState::running;
  return inspection;
}

base::Result<void> FakeEnvironment::freeze(const std::string& id) {
  frozen.insert(id);
  return {};
}

base::Result<void> FakeEnvironment::thaw(const std::string& id) {
  frozen.erase(id);
  return {};
}

base::Result<std::vector<std::string>> FakeEnvironment::instances() {
  std::vector<std::string> ids;
  for (const auto& entry : fs::directory_iterator(paths_.instances())) ids.push_back(entry.path().filename());
  return ids;
}

base::Result<environment::RunResult> FakeEnvironment::run_once(const environment::RunSpec& spec) {
  auto command = joined(spec.argv);
  commands.push_back(command);
  environment::RunResult result{.status = base::Exited{0}};
  if (!fail_command.empty() && command.find(fail_command) != std::string::npos) {
    result.status = base::Exited{1};
    result.err = "it broke with the password correct-horse\n";
  }
  return result;
}

base::Result<void> FakeFront::apply(const nlohmann::json& routes) {
  table = routes;
  auto shop = entry("shop");
  if (!shop.is_null()) states.push_back(shop["state"]);
  return {};
}

nlohmann::json FakeFront::entry(const std::string& app) const {
  if (!table.contains("apps")) return {};
  for (const auto& one : table["apps"])
    if (one["app"] == app) return one;
  return {};
}

Host::Host(const fs::path& root, std::string crash_at)
    : paths(root),
      tools(make_library(root)),
      store(std::move(*Store::open(paths.database()))),
      environment(paths),
      feed(*store),
      routes(paths, *store, environment, front),
      trash(std::move(*Trash::open(paths.trash()))),
      services{paths, tools, *store, environment, feed, front, routes, *trash, std::move(crash_at)},
      deploys(services, [] {}) {}

nlohmann::json Host::finish(const Result<std::string>& id) {
  if (!id) return {{"event", "refused"}, {"found", id.error().describe()}};
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::size_t seen = 0; std::chrono::steady_clock::now() < deadline;) {
    auto events = feed.wait(*id, seen, std::chrono::seconds(10));
    if (!events || events->empty()) continue;
    seen += events->size();
    auto last = nlohmann::json::parse(events->back());
    if (last["event"] != "done" && last["event"] != "failed") continue;
    while (deploys.is_busy(last["app"])) std::this_thread::yield();
    return last;
  }
  return {{"event", "silence"}};
}

Placement Host::placement(const std::string& app) {
  auto found = store->find_placement(app);
  return found && *found ? **found : Placement{};
}

HostTest::HostTest() {
  char pattern[] = "/tmp/serai-host-XXXXXX";
  root_ = ::mkdtemp(pattern);
  for (auto folder : {"apps", "builds", "instances", "uploads"}) fs::create_directories(root_ / folder);
  ::signal(SIGPIPE, SIG_IGN);  // as the daemon does
  base::set_log_level(base::Level::error);
}

HostTest::~HostTest() { fs::remove_all(root_); }

std::string HostTest::upload(const std::map<std::string, std::string>& files) {
  auto folder = root_ / "source";
  fs::remove_all(folder);
  for (const auto& [name, content] : files) {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << content;
  }
  auto id = new_id();
  fs::create_directories(root_ / "uploads" / id);
  std::ofstream archive(root_ / "uploads" / id / "archive", std::ios::binary);
  auto plan = app::plan_pack(folder.string());
  EXPECT_TRUE(plan) << plan.error().describe();
  auto packed = app::pack(folder.string(), *plan, [&](std::string_view bytes) -> base::Result<void> {
    archive.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return {};
  });
  EXPECT_TRUE(packed) << packed.error().describe();
  return id;
}

std::set<std::string> HostTest::names(const std::string& folder) const {
  std::set<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root_ / folder, error)) found.insert(entry.path().filename());
  return found;
}

}  // namespace control_plane::testing_support
