#include "instance/init.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "control/channel.h"
#include "instance/machine/host.h"
#include "instance/privileges.h"
#include "instance/report.h"
#include "instance/scope.h"
#include "instance/system_calls.h"
#include "instance/view.h"

namespace instance {
namespace {

using nlohmann::json;

base::Result<void> write_own(const std::string& file, std::string_view text) {
  auto fd = base::open(file, O_WRONLY);
  if (!fd) return std::unexpected(fd.error());
  return base::write_all(fd->get(), text);
}

base::Result<void> enter_groups(const Plan& plan) {
  for (const auto& entrance : plan.cgroup_entrances) {
    if (auto entered = write_own(entrance, "0"); !entered)
      return base::wrap(entered.error(), "enter the control group");
  }
  return {};
}

base::Result<void> give_up_rights(uid_t uid, gid_t gid) {
  auto done = limit_resources();
  if (done) done = become_user(uid, gid);
  if (done) done = keep_to_itself();
  if (done) done = filter_system_calls();
  return done;
}

base::Result<void> set_up(const Plan& plan) {
  if (auto entered = enter_groups(plan); !entered) return entered;
  (void)::unshare(CLONE_NEWCGROUP);  // hides where the group is; older kernels and user namespaces may refuse
  auto hostname = plan.app.substr(0, 63);
  if (::sethostname(hostname.data(), hostname.size()) < 0) return base::errno_error("name the instance's host");
  auto done = build_view(plan);
  if (done) done = give_up_rights(plan.uid, plan.gid);
  return done;
}

struct TerminalEnds {
  base::Fd master, slave;
};
base::Result<TerminalEnds> make_terminal() {
  auto master = base::open("/dev/ptmx", O_RDWR | O_NOCTTY);
  if (!master) return std::unexpected(master.error());
  int unlock = 0;
  if (::ioctl(master->get(), TIOCSPTLCK, &unlock) < 0) return base::errno_error("unlock a terminal");
  base::Fd slave(::ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.is_open()) return base::errno_error("open a terminal");
  return TerminalEnds{std::move(*master), std::move(slave)};
}

class Init final : net::Pollable {
 public:
  base::Result<void> run(base::Fd supervisor);

 private:
  void on_ready(std::uint32_t) override { reap(); }
  void on_message(control::Message message);
  void start(const json& body, std::vector<base::Fd>& descriptors);
  base::Result<pid_t> spawn(const json& body, std::vector<base::Fd>& descriptors);
  void signal(const json& body);
  void reap();
  void end();
  void tell(json body) { (void)channel_->send(control::Message(std::move(body))); }

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<control::Channel> channel_;
  base::Fd children_;
  std::map<pid_t, std::string> processes_;
  bool ending_ = false;
};

base::Result<void> Init::run(base::Fd supervisor) {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  children_ = base::Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  if (auto added = loop_->add(children_.get(), EPOLLIN, *this); !added) return added;
  auto channel =
      control::Channel::open(*loop_, std::move(supervisor), {.role = "init"},
                             {.on_hello = {},
                              .on_message = [this](control::Message message) { on_message(std::move(message)); },
                              .on_closed = [this](std::optional<base::Error>) { end(); }});
  if (!channel) return std::unexpected(channel.error());
  channel_ = std::move(*channel);
  loop_->run();
  return {};
}

void Init::on_message(control::Message message) {
  if (message.type() == "start") start(message.body(), message.descriptors);
  if (message.type() == "signal") signal(message.body());
  if (message.type() == "kill_all") end();
}

void Init::start(const json& body, std::vector<base::Fd>& descriptors) {
  std::string name = body.value("process", "");
  auto pid = spawn(body, descriptors);
  if (!pid) return tell({{"type", "start_failed"}, {"process", name}, {"error", to_json(pid.error())}});
  processes_[*pid] = name;
  tell({{"type", "started"}, {"process", name}, {"pid", *pid}});
}

// In the child, before exec (which closes what is not the program's and makes the process visible to its user again).
void leave_init(bool terminal) {
  ::setsid();
  if (terminal) ::ioctl(0, TIOCSCTTY, 0);
}

base::Result<pid_t> Init::spawn(const json& body, std::vector<base::Fd>& descriptors) {
  base::Command command;
  command.argv = body.value("argv", std::vector<std::string>{});
  command.env = body.value("env", std::vector<std::string>{});
  command.cwd = body.value("cwd", "/app");
  bool terminal = body.value("terminal", false);
  TerminalEnds ends;
  if (terminal) {
    auto made = make_terminal();
    if (!made) return std::unexpected(made.error());
    ends = std::move(*made);
    command.stdin_fd = command.stdout_fd = command.stderr_fd = ends.slave.get();
  } else if (descriptors.size() >= 3) {
    command.stdin_fd = descriptors[0].get();
    command.stdout_fd = descriptors[1].get();
    command.stderr_fd = descriptors[2].get();
  }
  auto numbers = body.value("numbers", std::vector<int>{});
  for (std::size_t i = 0; i < numbers.size() && i + 3 < descriptors.size(); i++) {
    command.keep.push_back({descriptors[i + 3].get(), numbers[i]});
  }
  command.in_child = [terminal] { leave_init(terminal); };
  // The program is looked up in the process's own PATH, which execvpe(3) takes from the caller's environment.
  ::setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  for (const auto& variable : *command.env)
    if (variable.starts_with("PATH=")) ::setenv("PATH", variable.c_str() + 5, 1);
  auto child = base::Child::spawn(command);
  if (!child) return std::unexpected(child.error());
  if (terminal) {
    std::vector<base::Fd> riding;
    riding.push_back(std::move(ends.master));
    (void)channel_->send(control::Message(json{{"type", "terminal"}}, std::move(riding)));
  }
  return child->detach();
}

void Init::signal(const json& body) {
  for (const auto& [pid, name] : processes_)
    if (name == body.value("process", "")) ::kill(pid, body.value("signal", SIGTERM));
}

void Init::reap() {
  signalfd_siginfo information;
  while (::read(children_.get(), &information, sizeof information) > 0) {
  }
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    auto found = processes_.find(pid);
    if (found == processes_.end()) continue;  // an orphan of the app
    json body = {{"type", "exited"}, {"process", found->second}};
    if (WIFSIGNALED(status))
      body["signal"] = WTERMSIG(status);
    else
      body["code"] = WEXITSTATUS(status);
    processes_.erase(found);
    tell(std::move(body));
  }
  if (pid < 0 && ending_) ::_exit(0);
}

// Kills everything and exits once the last child is reaped. The kernel would do as much when pid 1 exits, but then
// nobody would have been told how the processes ended.
void Init::end() {
  ending_ = true;
  ::kill(-1, SIGKILL);
  reap();
}

[[noreturn]] void report_and_run(const base::Result<void>& done, base::Fd supervisor, base::Fd setup) {
  Report report(std::move(setup));
  if (!done) {
    report.error(done.error());
    ::_exit(1);
  }
  report.close();
  if (auto ran = Init().run(std::move(supervisor)); !ran) ::_exit(1);
  ::_exit(0);
}

}  // namespace

void run_init(const Plan& plan, base::Fd supervisor, base::Fd setup) {
  ::clearenv();
  auto done = set_up(plan);
  if (!done || plan.machine.argv.empty()) report_and_run(done, std::move(supervisor), std::move(setup));
  setup.close();
  run_machine(plan, std::move(supervisor));
}

void run_init_inside(base::Fd supervisor, base::Fd setup) {
  ::clearenv();
  for (const auto* fd : {&supervisor, &setup}) (void)base::set_cloexec(fd->get(), true);
  auto done = give_up_rights(::getuid(), ::getgid());
  report_and_run(done, std::move(supervisor), std::move(setup));
}

}  // namespace instance
