#include "instance/once.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "control/channel.h"
#include "instance/namespaces.h"
#include "instance/services.h"
#include "instance/terminal.h"

namespace instance {
namespace {

using nlohmann::json;

class Once final : net::Pollable {
 public:
  Once(Plan plan, Report report) : plan_(std::move(plan)), report_(std::move(report)) {}
  base::Result<void> run();
  Report& report() { return report_; }

 private:
  void on_ready(std::uint32_t) override;  // init ended
  void on_init(control::Message message);
  void start();
  void kill() { (void)channel_->send(control::Message("kill_all")); }
  bool ran_out_of_memory() const;

  struct Leash final : net::Pollable {
    explicit Leash(Once& o) : once(o) {}
    void on_ready(std::uint32_t) override;
    Once& once;
  };

  Plan plan_;
  Report report_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Services> services_;
  Init init_;
  std::unique_ptr<control::Channel> channel_;
  std::unique_ptr<net::Timer> timeout_;
  std::unique_ptr<TerminalRelay> terminal_;
  Leash leash_{*this};
  json ended_ = {{"code", nullptr}, {"signal", nullptr}, {"timed_out", false}, {"out_of_memory", false}};
};

void Once::Leash::on_ready(std::uint32_t) {
  once.loop_->remove(kLeashFd, *this);
  once.kill();
}

base::Result<void> Once::run() {
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  auto network = Network::make(plan_.network);
  if (!network) return std::unexpected(network.error());
  auto init = start_init(plan_, *network);
  if (!init) return std::unexpected(init.error());
  init_ = std::move(*init);
  report_.step("view");
  auto services = Services::open(*loop_, plan_.network.services, network->take_listeners());
  if (!services) return std::unexpected(services.error());
  services_ = std::move(*services);
  if (auto become = become_supervisor(plan_); !become) return become;
  auto channel =
      control::Channel::open(*loop_, std::move(init_.socket), {.role = "supervisor"},
                             {.on_hello = {},
                              .on_message = [this](control::Message message) { on_init(std::move(message)); },
                              .on_closed = [](std::optional<base::Error>) {}});
  if (!channel) return std::unexpected(channel.error());
  channel_ = std::move(*channel);
  auto watching = loop_->add(init_.pidfd.get(), EPOLLIN, *this);
  if (watching) watching = loop_->add(kLeashFd, EPOLLIN, leash_);
  if (!watching) return watching;
  start();
  loop_->run();
  return {};
}

void Once::start() {
  const Process& process = plan_.processes.front();
  std::vector<base::Fd> descriptors;
  if (!plan_.terminal)
    for (int fd : {kStdinFd, kStdoutFd, kStderrFd}) descriptors.emplace_back(fd);
  json body = {{"type", "start"},    {"process", process.name}, {"argv", process.argv},
               {"env", process.env}, {"cwd", process.cwd},      {"terminal", plan_.terminal}};
  (void)channel_->send(control::Message(std::move(body), std::move(descriptors)));
  if (plan_.timeout_ms <= 0) return;
  timeout_ = std::make_unique<net::Timer>(*loop_, [this] {
    ended_["timed_out"] = true;
    kill();
  });
  timeout_->set_after(std::chrono::milliseconds(plan_.timeout_ms));
}

void Once::on_init(control::Message message) {
  const json& body = message.body();
  if (message.type() == "start_failed") {
    report_.error(error_from_json(body.value("error", json::object())));
    kill();
  }
  if (message.type() == "terminal" && !message.descriptors.empty()) {
    terminal_ = std::make_unique<TerminalRelay>(*loop_, kStdinFd, kStdoutFd, std::move(message.descriptors.front()));
    if (!terminal_->open()) kill();
  }
  if (message.type() == "exited") {
    if (body.contains("code")) ended_["code"] = body["code"];
    if (body.contains("signal")) ended_["signal"] = body["signal"];
    kill();
  }
}

bool Once::ran_out_of_memory() const {
  std::ifstream file(plan_.oom_counter);
  long count = 0;
  for (std::string key; file >> key;)
    if (key == "oom_kill" && file >> count) return count > 0;
  return false;
}

void Once::on_ready(std::uint32_t) {
  ::waitpid(init_.pid, nullptr, 0);
  loop_->remove(init_.pidfd.get(), *this);
  loop_->post([this] {
    if (ended_["code"].is_null() && ended_["signal"].is_null()) ended_["signal"] = SIGKILL;
    ended_["out_of_memory"] = ran_out_of_memory();
    if (terminal_) terminal_->drain();
    terminal_.reset();
    report_.tell({{"ended", ended_}});
    loop_->stop();
  });
}

}  // namespace

int run_once(Plan plan, Report report) {
  for (int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGTTOU, SIGTTIN}) ::signal(number, SIG_IGN);
  Once once(std::move(plan), std::move(report));
  auto done = once.run();
  if (!done) once.report().error(done.error());
  return done ? 0 : 1;
}

}  // namespace instance
