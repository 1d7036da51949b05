#include "instance/machine/guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "instance/machine/guest_system.h"
#include "instance/machine/mux.h"
#include "instance/privileges.h"
#include "instance/report.h"
#include "instance/services.h"
#include "net/endpoint.h"

namespace instance {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kPortPatience{20'000};
constexpr const char* kWebSocket = "/run/serai-web.sock";
constexpr int kListenNumber = 3, kServerNumber = 4;  // environment/spec.h

// What the app sends to localhost at these ports goes through QEMU to the services of the instance's own network.
std::vector<Service> services_at(const std::vector<std::uint16_t>& ports) {
  std::vector<Service> services;
  for (auto port : ports)
    for (const char* address : {"127.0.0.1", "::1"})
      services.push_back({.address = address,
                          .port = port,
                          .instead = {},
                          .through = guest::kRouter,
                          .may_be_missing = std::string_view(address) == "::1"});
  return services;
}

double since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct TerminalEnds {
  base::Fd master, slave;
};
base::Result<TerminalEnds> make_terminal() {
  auto master = base::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (!master) return std::unexpected(master.error());
  int unlock = 0;
  if (::ioctl(master->get(), TIOCSPTLCK, &unlock) < 0) return base::errno_error("unlock a terminal");
  base::Fd slave(::ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.is_open()) return base::errno_error("open a terminal");
  return TerminalEnds{std::move(*master), std::move(slave)};
}

class Guest final : net::Pollable {
 public:
  base::Result<void> run();

 private:
  struct Running {
    std::string name;
    base::Fd terminal;  // its master side, to tell the window's size
  };
  void on_ready(std::uint32_t) override { reap(); }
  void on_message(const json& message);
  void configure(const json& message);
  base::Result<void> open_services(const std::vector<std::uint16_t>& ports);
  void start(const json& message);
  base::Result<Running> spawn(const json& message, pid_t& pid);
  base::Result<void> give_streams(const json& message, base::Command& command, std::vector<base::Fd>& held);
  base::Result<void> give_terminal(const json& message, base::Command& command, std::vector<base::Fd>& held,
                                   Running& running);
  base::Result<void> give_server(const json& message, base::Command& command, std::vector<base::Fd>& held);
  base::Result<base::Fd> pipe_to(std::uint32_t stream, Way way);
  void open_stream(std::uint32_t stream, const std::string& service);
  void signal(const json& message);
  void set_window(const json& message);
  void reap();
  void end();

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Mux> mux_;
  std::unique_ptr<Services> services_;
  base::Fd children_;
  guest::Settings settings_;
  std::map<pid_t, Running> processes_;
  double booted_ = 0, loaded_ = 0;
  long kills_seen_ = 0;
  bool configured_ = false, ending_ = false;
};

base::Result<void> Guest::run() {
  booted_ = since_boot();
  auto done = guest::load_modules();
  if (!done) return done;
  guest::prefer_kills_to_thrashing();
  loaded_ = since_boot();
  if (guest::is_trial()) {
    ::puts(guest::kTrialAnswer);
    ::fflush(stdout);
    guest::power_off();
  }
  auto port = guest::open_port(kPortPatience);
  if (!port) return std::unexpected(port.error());
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  children_ = base::Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  auto mux =
      Mux::open(*loop_, std::move(*port),
                {.on_message = [this](const json& message) { on_message(message); },
                 .on_open = [this](std::uint32_t stream, const std::string& service) { open_stream(stream, service); },
                 .on_closed = [](const base::Error&) { guest::power_off(); }});
  if (!mux) return std::unexpected(mux.error());
  mux_ = std::move(*mux);
  if (auto added = loop_->add(children_.get(), EPOLLIN, *this); !added) return added;
  mux_->send({{"type", "hello"}});
  loop_->run();
  return {};
}

// The host side is the platform's: what it says is as it must be.
void Guest::on_message(const json& message) {
  auto type = message.value("type", "");
  if (type == "configure") configure(message);
  if (type == "start") start(message);
  if (type == "signal") signal(message);
  if (type == "window") set_window(message);
  if (type == "kill_all") end();
}

void Guest::configure(const json& message) {
  guest::set_clock(message.value("time", 0.0));
  auto settings = guest::Settings::from_json(message.value("settings", ""));
  auto done = settings ? guest::enter_system(*settings) : base::Result<void>(std::unexpected(settings.error()));
  if (done) done = guest::set_up_network();
  if (done) done = open_services(settings->localhost_ports);
  if (!done) {
    mux_->send({{"type", "failed"}, {"error", to_json(done.error())}});
    mux_->flush_for(milliseconds(2000));
    guest::power_off();
  }
  settings_ = std::move(*settings);
  configured_ = true;
  auto now = since_boot();
  mux_->send({{"type", "ready"},
              {"stages", {{"kernel", booted_}, {"modules", loaded_ - booted_}, {"system", now - loaded_}}}});
}

base::Result<void> Guest::open_services(const std::vector<std::uint16_t>& ports) {
  auto services = services_at(ports);
  auto listeners = Services::listen(services);
  if (!listeners) return std::unexpected(listeners.error());
  auto opened = Services::open(*loop_, services, std::move(*listeners));
  if (!opened) return std::unexpected(opened.error());
  services_ = std::move(*opened);
  return {};
}

void Guest::start(const json& message) {
  std::string name = message.value("process", "");
  pid_t pid = 0;
  auto running = spawn(message, pid);
  if (!running) {
    for (std::uint32_t stream : message.value("streams", std::vector<std::uint32_t>{})) mux_->refuse(stream);
    return mux_->send({{"type", "start_failed"}, {"process", name}, {"error", to_json(running.error())}});
  }
  processes_[pid] = std::move(*running);
  mux_->send({{"type", "started"}, {"process", name}, {"pid", pid}});
}

base::Result<base::Fd> Guest::pipe_to(std::uint32_t stream, Way way) {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  mux_->attach(stream, std::move(way == Way::in ? pipe->write : pipe->read), way);
  return std::move(way == Way::in ? pipe->read : pipe->write);
}

base::Result<void> Guest::give_streams(const json& message, base::Command& command, std::vector<base::Fd>& held) {
  auto streams = message.value("streams", std::vector<std::uint32_t>{});
  if (streams.size() != 3) return base::invalid("start a process: {} streams", streams.size());
  int* places[] = {&command.stdin_fd, &command.stdout_fd, &command.stderr_fd};
  for (std::size_t i = 0; i < 3; i++) {
    auto end = pipe_to(streams[i], i == 0 ? Way::in : Way::out);
    if (!end) return std::unexpected(end.error());
    *places[i] = end->get();
    held.push_back(std::move(*end));
  }
  return {};
}

base::Result<void> Guest::give_terminal(const json& message, base::Command& command, std::vector<base::Fd>& held,
                                        Running& running) {
  auto ends = make_terminal();
  if (!ends) return std::unexpected(ends.error());
  auto master = base::dup(ends->master.get());
  if (!master) return std::unexpected(master.error());
  mux_->attach(message.value("terminal", 0u), std::move(ends->master), Way::both);
  running.terminal = std::move(*master);
  command.stdin_fd = command.stdout_fd = command.stderr_fd = ends->slave.get();
  held.push_back(std::move(ends->slave));
  return {};
}

base::Result<void> Guest::give_server(const json& message, base::Command& command, std::vector<base::Fd>& held) {
  if (!message.value("listens", false)) return {};
  ::unlink(kWebSocket);
  auto listener = net::listen(net::UnixAddress{kWebSocket}, {.backlog = 4096, .unix_mode = 0600});
  if (!listener) return std::unexpected(listener.error());
  auto sockets = base::socketpair(SOCK_STREAM);
  if (!sockets) return std::unexpected(sockets.error());
  mux_->attach(message.value("server", 0u), std::move(sockets->ours), Way::both);
  command.keep = {{listener->get(), kListenNumber}, {sockets->theirs.get(), kServerNumber}};
  held.push_back(std::move(*listener));
  held.push_back(std::move(sockets->theirs));
  return {};
}

// In the child, before exec. The app's user may have as many processes as its limits say; everything else is bounded by
// the machine itself.
void become_app(const guest::Settings& settings, bool terminal) {
  ::setsid();
  if (terminal) ::ioctl(0, TIOCSCTTY, 0);
  rlimit processes{settings.processes, settings.processes};
  ::setrlimit(RLIMIT_NPROC, &processes);
  if (!limit_resources() || !become_user(settings.uid, settings.gid)) ::_exit(126);
}

base::Result<Guest::Running> Guest::spawn(const json& message, pid_t& pid) {
  base::Command command;
  command.argv = message.value("argv", std::vector<std::string>{});
  command.env = message.value("env", std::vector<std::string>{});
  command.cwd = message.value("cwd", "/app");
  Running running{.name = message.value("process", ""), .terminal = {}};
  std::vector<base::Fd> held;
  bool terminal = message.value("terminal", 0u) != 0;
  auto given = terminal ? give_terminal(message, command, held, running) : give_streams(message, command, held);
  if (given) given = give_server(message, command, held);
  if (!given) return std::unexpected(given.error());
  command.in_child = [this, terminal] { become_app(settings_, terminal); };
  ::setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  for (const auto& variable : *command.env)
    if (variable.starts_with("PATH=")) ::setenv("PATH", variable.c_str() + 5, 1);
  auto child = base::Child::spawn(command);
  if (!child) return std::unexpected(child.error());
  pid = child->detach();
  return running;
}

void Guest::open_stream(std::uint32_t stream, const std::string& service) {
  net::Address address = net::UnixAddress{kWebSocket};
  if (service.starts_with(kPortService)) {
    std::uint16_t port = 0;
    std::from_chars(service.data() + std::string_view(kPortService).size(), service.data() + service.size(), port);
    address = net::TcpAddress{"127.0.0.1", port};
  }
  auto socket = net::connect(address);
  if (!socket) return mux_->refuse(stream);
  mux_->attach(stream, std::move(*socket), Way::both);
}

void Guest::signal(const json& message) {
  for (const auto& [pid, running] : processes_)
    if (running.name == message.value("process", "")) ::kill(pid, message.value("signal", SIGTERM));
}

void Guest::set_window(const json& message) {
  winsize size{};
  size.ws_row = message.value("rows", std::uint16_t{24});
  size.ws_col = message.value("columns", std::uint16_t{80});
  for (const auto& [pid, running] : processes_)
    if (running.name == message.value("process", "") && running.terminal.is_open())
      ::ioctl(running.terminal.get(), TIOCSWINSZ, &size);
}

void Guest::reap() {
  signalfd_siginfo information;
  while (::read(children_.get(), &information, sizeof information) > 0) {
  }
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    auto found = processes_.find(pid);
    if (found == processes_.end()) continue;
    json body = {{"type", "exited"}, {"process", found->second.name}};
    if (WIFSIGNALED(status)) {
      auto kills = guest::out_of_memory_kills();
      body["signal"] = WTERMSIG(status);
      body["out_of_memory"] = WTERMSIG(status) == SIGKILL && kills > std::exchange(kills_seen_, kills);
    } else {
      body["code"] = WEXITSTATUS(status);
    }
    processes_.erase(found);
    mux_->drain();  // its last words come before the news of its end
    mux_->send(body);
  }
  if (pid < 0 && ending_) {
    mux_->flush_for(milliseconds(1000));
    guest::power_off();
  }
}

void Guest::end() {
  ending_ = true;
  ::kill(-1, SIGKILL);
  reap();
}

}  // namespace

void run_guest() {
  ::signal(SIGPIPE, SIG_IGN);
  auto done = guest::mount_kernel_folders();
  if (done) done = Guest().run();
  if (!done) ::printf("serai: %s\n", done.error().describe().c_str());
  ::fflush(stdout);
  guest::power_off();
}

}  // namespace instance
