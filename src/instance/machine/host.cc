#include "instance/machine/host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "control/channel.h"
#include "instance/machine/emulator.h"
#include "instance/machine/guest.h"
#include "instance/machine/mux.h"
#include "instance/report.h"
#include "net/address.h"

namespace instance {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kOffPatience{1500};  // from "kill all" until the guest is off
constexpr milliseconds kWindowPause{300};   // between looks at the size of the caller's window
constexpr std::size_t kStandardStreams = 3, kListenerDescriptor = 3, kServerDescriptor = 4;  // of init.h's "start"

double seconds_between(net::Clock::time_point from, net::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// A number that the guest said, which is as the app may have made it.
int number_of(const json& body, const char* name) {
  auto found = body.find(name);
  return found != body.end() && found->is_number_integer() ? static_cast<int>(found->get<std::int64_t>()) : 0;
}

class Host {
 public:
  explicit Host(const Plan& plan) : plan_(plan) {}
  base::Result<void> run(base::Fd supervisor);

 private:
  struct Program {
    json body;  // the supervisor's "start"
    std::vector<base::Fd> descriptors;
    bool started = false;
  };
  struct Door final : net::Pollable {  // where visitors come in
    Door(Host& m, base::Fd fd, std::string s) : host(m), listener(std::move(fd)), service(std::move(s)) {}
    ~Door() { close(); }
    void open() { is_open = host.loop_->add(listener.get(), EPOLLIN, *this).has_value(); }
    void close() {
      if (std::exchange(is_open, false)) host.loop_->remove(listener.get(), *this);
    }
    void on_ready(std::uint32_t) override { host.let_in(*this); }
    Host& host;
    base::Fd listener;
    std::string service;
    bool is_open = false;
  };
  struct Given {  // what a stream is to be attached to
    std::uint32_t number;
    base::Fd fd;
    Way way;
  };
  struct Window {
    std::string process;
    base::Fd terminal;
    winsize size{};
  };

  void on_supervisor(control::Message message);
  void start(control::Message message);
  base::Result<void> boot();
  void configure();
  void on_guest(const json& message);
  void on_ready(const json& message);
  void hand_over(const std::string& name, Program& program);
  base::Result<void> give_terminal(const std::string& name, json& body, std::vector<Given>& streams);
  void give_streams(Program& program, json& body, std::vector<Given>& streams);
  void open_door(Program& program);
  void let_in(Door& door);
  void follow_window();
  void on_exited(const std::string& name, const json& message);
  void give_up(const base::Error& why);
  void on_machine_ended(const std::string& what);
  void end();
  bool is_web(const std::string& name) const;
  void tell(json body) { (void)supervisor_->send(control::Message(std::move(body))); }

  const Plan& plan_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<control::Channel> supervisor_;
  std::unique_ptr<Emulator> emulator_;
  std::unique_ptr<Mux> mux_;
  std::map<std::string, Program> programs_;
  std::unique_ptr<Door> door_;
  std::unique_ptr<Window> window_;
  std::unique_ptr<net::Timer> patience_, look_;
  net::Clock::time_point began_;
  std::uint32_t next_stream_ = 1;
  bool configured_ = false, ready_ = false, ending_ = false;
};

base::Result<void> Host::run(base::Fd supervisor) {
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  auto channel =
      control::Channel::open(*loop_, std::move(supervisor), {.role = "init"},
                             {.on_hello = {},
                              .on_message = [this](control::Message message) { on_supervisor(std::move(message)); },
                              .on_closed = [this](std::optional<base::Error>) { end(); }});
  if (!channel) return std::unexpected(channel.error());
  supervisor_ = std::move(*channel);
  loop_->run();
  return {};
}

void Host::on_supervisor(control::Message message) {
  if (message.type() == "start") return start(std::move(message));
  if (message.type() == "kill_all") return end();
  auto found = programs_.find(message.body().value("process", ""));
  if (message.type() != "signal" || found == programs_.end()) return;
  if (found->second.started) return mux_->send(message.body());
  // It waits for the machine: whatever the signal, it never was there.
  on_exited(found->first, {{"signal", message.body().value("signal", SIGTERM)}});
}

void Host::start(control::Message message) {
  std::string name = message.body().value("process", "");
  auto& program = programs_[name];
  program = Program{.body = message.body(), .descriptors = std::move(message.descriptors)};
  if (ready_) return hand_over(name, program);
  if (emulator_) return;  // it boots
  if (auto booting = boot(); !booting) give_up(booting.error());
}

base::Result<void> Host::boot() {
  began_ = net::Clock::now();
  auto started =
      Emulator::start(*loop_, plan_.machine.argv, [this](const std::string& what) { on_machine_ended(what); });
  if (!started) return std::unexpected(started.error());
  emulator_ = std::move(started->emulator);
  auto mux = Mux::open(*loop_, std::move(started->port),
                       {.on_message = [this](const json& message) { on_guest(message); },
                        .on_open = {},
                        .on_closed =
                            [this](const base::Error&) {
                              if (emulator_) emulator_->quit();
                            }});
  if (!mux) return std::unexpected(mux.error());
  mux_ = std::move(*mux);
  patience_ = std::make_unique<net::Timer>(*loop_, [this] {
    auto words = emulator_ ? emulator_->last_words() : "";
    give_up({base::Kind::unavailable,
             fmt::format("the virtual machine did not start within {} s{}", plan_.machine.boot_timeout_ms / 1000,
                         words.empty() ? "" : " (last on its console: " + words + ")")});
  });
  patience_->set_after(milliseconds(plan_.machine.boot_timeout_ms));
  return {};
}

// Not before it asks: the time of day would be as old as its boot is long.
void Host::configure() {
  configured_ = true;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  auto seconds = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  mux_->send({{"type", "configure"}, {"settings", plan_.machine.settings}, {"time", seconds}});
}

// What comes is the guest's word, and with it perhaps an app's that took the guest over.
void Host::on_guest(const json& message) {
  auto type = message.find("type"), process = message.find("process");
  if (type == message.end() || !type->is_string()) return;
  if (*type == "hello" && !configured_) return configure();
  if (*type == "ready" && !ready_) return on_ready(message);
  if (*type == "failed" && !ready_) {
    auto error = message.value("error", json::object());
    auto text = error.is_object() && error["message"].is_string() ? error["message"].get<std::string>() : "";
    return give_up({base::Kind::internal, "set up the virtual machine: " + text});
  }
  if (process == message.end() || !process->is_string()) return;
  auto found = programs_.find(process->get<std::string>());
  if (found == programs_.end() || !found->second.started) return;
  if (*type == "started") tell({{"type", "started"}, {"process", found->first}, {"pid", number_of(message, "pid")}});
  if (*type == "exited") return on_exited(found->first, message);
  if (*type != "start_failed") return;
  auto error = message.value("error", json::object());
  auto text = error.is_object() && error["message"].is_string() ? error["message"].get<std::string>() : "";
  auto name = found->first;
  programs_.erase(found);
  tell({{"type", "start_failed"}, {"process", name}, {"error", to_json({base::Kind::unavailable, text})}});
}

void Host::on_ready(const json& message) {
  ready_ = true;
  patience_.reset();
  auto total = seconds_between(began_, net::Clock::now());
  auto text = fmt::format("virtual machine ({}) ready after {:.2f} s", plan_.machine.accelerator, total);
  auto stages = message.value("stages", json::object());
  double inside = 0;
  for (const char* stage : {"kernel", "modules", "system"}) {
    if (!stages.is_object() || !stages.contains(stage) || !stages[stage].is_number()) continue;
    auto took = stages[stage].get<double>();
    inside += took;
    text += fmt::format("{} {} {:.2f} s", inside == took ? ":" : ",", stage, took);
  }
  text += fmt::format(", QEMU and firmware {:.2f} s", std::max(0.0, total - inside));
  std::vector<std::string> waiting;
  for (const auto& [name, program] : programs_) waiting.push_back(name);
  if (!waiting.empty()) tell({{"type", "note"}, {"process", waiting.front()}, {"text", text}});
  for (const auto& name : waiting) hand_over(name, programs_[name]);
}

bool Host::is_web(const std::string& name) const {
  return std::ranges::any_of(plan_.processes, [&](const Process& one) { return one.name == name && one.web; });
}

void Host::hand_over(const std::string& name, Program& program) {
  program.started = true;
  json body = {{"type", "start"},
               {"process", name},
               {"argv", program.body["argv"]},
               {"env", program.body["env"]},
               {"cwd", program.body["cwd"]}};
  std::vector<Given> streams;
  if (program.body.value("terminal", false)) {
    if (auto given = give_terminal(name, body, streams); !given) {
      programs_.erase(name);
      return tell({{"type", "start_failed"}, {"process", name}, {"error", to_json(given.error())}});
    }
  } else {
    give_streams(program, body, streams);
  }
  mux_->send(body);
  // Not before the guest was told of them.
  for (auto& stream : streams) mux_->attach(stream.number, std::move(stream.fd), stream.way);
  follow_window();
  if (is_web(name)) open_door(program);
}

// Standard input, output and error; then, of a web process, its listener, which stays here, and its server's socket.
void Host::give_streams(Program& program, json& body, std::vector<Given>& streams) {
  auto& descriptors = program.descriptors;
  body["streams"] = json::array();
  for (std::size_t i = 0; i < kStandardStreams && i < descriptors.size(); i++) {
    body["streams"].push_back(next_stream_);
    streams.push_back({next_stream_++, std::move(descriptors[i]), i == 0 ? Way::out : Way::in});
  }
  if (descriptors.size() <= kServerDescriptor) return;
  body["listens"] = true;
  body["server"] = next_stream_;
  streams.push_back({next_stream_++, std::move(descriptors[kServerDescriptor]), Way::both});
}

base::Result<void> Host::give_terminal(const std::string& name, json& body, std::vector<Given>& streams) {
  auto master = base::open("/dev/ptmx", O_RDWR | O_NOCTTY);
  if (!master) return std::unexpected(master.error());
  int unlock = 0;
  if (::ioctl(master->get(), TIOCSPTLCK, &unlock) < 0) return base::errno_error("unlock a terminal");
  base::Fd slave(::ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.is_open()) return base::errno_error("open a terminal");
  termios raw{};
  ::tcgetattr(slave.get(), &raw);
  ::cfmakeraw(&raw);  // the guest's terminal does what a terminal does
  ::tcsetattr(slave.get(), TCSANOW, &raw);
  auto watched = base::dup(slave.get());
  if (!watched) return std::unexpected(watched.error());
  window_ = std::make_unique<Window>(Window{name, std::move(*watched), {}});
  body["terminal"] = next_stream_;
  streams.push_back({next_stream_++, std::move(slave), Way::both});
  std::vector<base::Fd> riding;
  riding.push_back(std::move(*master));
  (void)supervisor_->send(control::Message(json{{"type", "terminal"}}, std::move(riding)));
  return {};
}

void Host::follow_window() {
  winsize now{};
  if (!window_ || !mux_ || ::ioctl(window_->terminal.get(), TIOCGWINSZ, &now) < 0) return;
  if (now.ws_row && (now.ws_row != window_->size.ws_row || now.ws_col != window_->size.ws_col)) {
    window_->size = now;
    mux_->send({{"type", "window"}, {"process", window_->process}, {"rows", now.ws_row}, {"columns", now.ws_col}});
  }
  if (!look_) look_ = std::make_unique<net::Timer>(*loop_, [this] { follow_window(); });
  look_->set_after(kWindowPause);
}

// Connections that come before the guest's server listens wait in its socket's backlog, or are refused by its port.
void Host::open_door(Program& program) {
  door_.reset();
  if (program.descriptors.size() > kListenerDescriptor) {
    door_ = std::make_unique<Door>(*this, std::move(program.descriptors[kListenerDescriptor]), kWebService);
  } else if (plan_.machine.port != 0) {
    auto listener = net::listen(net::TcpAddress{"127.0.0.1", plan_.machine.port});
    if (!listener) return;  // the health check says that nobody listens there
    door_ = std::make_unique<Door>(*this, std::move(*listener), fmt::format("{}{}", kPortService, plan_.machine.port));
  }
  if (door_) door_->open();
}

void Host::let_in(Door& door) {
  auto visitor = net::accept(door.listener.get());
  if (!visitor || !*visitor || !mux_) return;
  auto stream = next_stream_++;
  mux_->open_stream(stream, door.service);
  mux_->attach(stream, std::move((*visitor)->socket), Way::both);
}

void Host::on_exited(const std::string& name, const json& message) {
  json body = {{"type", "exited"}, {"process", name}};
  if (int signal = number_of(message, "signal"); signal != 0) {
    body["signal"] = signal;
    auto memory = message.find("out_of_memory");
    if (memory != message.end() && memory->is_boolean() && memory->get<bool>()) {
      body["cause"] = "out_of_memory";
      body["description"] = "out of memory: killed by its virtual machine's kernel";
    }
  } else {
    body["code"] = number_of(message, "code");
  }
  if (is_web(name)) door_.reset();
  if (window_ && window_->process == name) window_.reset();
  programs_.erase(name);
  tell(std::move(body));
}

// The machine does not come up: nothing that waits for it can be started.
void Host::give_up(const base::Error& why) {
  auto waiting = std::exchange(programs_, {});
  for (const auto& [name, program] : waiting)
    tell({{"type", "start_failed"}, {"process", name}, {"error", to_json(why)}});
  patience_.reset();
  if (emulator_) emulator_->quit();
}

void Host::on_machine_ended(const std::string& what) {
  bool was_ready = std::exchange(ready_, false);
  configured_ = false;
  emulator_.reset();
  mux_.reset();
  door_.reset();
  patience_.reset();
  window_.reset();
  auto ended = std::exchange(programs_, {});
  if (ending_) ::_exit(0);
  for (const auto& [name, program] : ended) {
    if (was_ready) {
      tell({{"type", "exited"}, {"process", name}, {"signal", SIGKILL}, {"cause", "machine"}, {"description", what}});
    } else {
      tell({{"type", "start_failed"}, {"process", name}, {"error", to_json({base::Kind::unavailable, what})}});
    }
  }
}

// The guest ends its programs and switches off; if it does not, QEMU is ended.
void Host::end() {
  if (ending_) return;
  ending_ = true;
  if (!emulator_) ::_exit(0);
  if (ready_ && mux_ && mux_->is_open())
    mux_->send({{"type", "kill_all"}});
  else
    emulator_->quit();
  patience_ = std::make_unique<net::Timer>(*loop_, [this] { emulator_->quit(); });
  patience_->set_after(kOffPatience);
}

}  // namespace

void run_machine(const Plan& plan, base::Fd supervisor) {
  ::signal(SIGPIPE, SIG_IGN);
  if (auto ran = Host(plan).run(std::move(supervisor)); !ran) ::_exit(1);
  ::_exit(0);
}

}  // namespace instance
