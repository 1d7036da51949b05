#include "instance/supervised.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "instance/report.h"

namespace instance {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{250}, kLongestPause{30'000};
constexpr std::chrono::seconds kSteady{60};  // a life this long starts the back-off anew
constexpr std::size_t kTail = 8 << 10;
// Messages that the server may send at once and per second; a real one sends a few when a worker comes or goes.
constexpr int kServerBurst = 500, kServerRate = 20;
// Bytes of one of them; a traceback is the longest thing in it.
constexpr std::size_t kServerBytes = 256 << 10;
constexpr int kListenNumber = 3, kControlNumber = 4;  // environment/spec.h

bool was_killed(const json& worker_exited) {
  auto cause = worker_exited.find("cause");
  return cause != worker_exited.end() && cause->is_object() && cause->contains("signal") &&
         (*cause)["signal"] == SIGKILL;
}

}  // namespace

Supervised::Supervised(Host host, Process process)
    : host_(std::move(host)), process_(std::move(process)), pause_(kFirstPause), restart_(host_.loop, [this] {
        restarts_++;
        if (auto started = start(); !started) on_start_failed(to_json(started.error()));
      }) {}

Supervised::~Supervised() = default;

base::Result<void> Supervised::start() {
  tail_.clear();
  if (!log_) {
    auto log = LogFile::open(host_.logs, process_.name);
    if (!log) return std::unexpected(log.error());
    log_ = std::make_unique<LogFile>(std::move(*log));
  }
  std::vector<base::Fd> descriptors;
  std::vector<int> numbers;
  auto ride = [&](base::Result<base::Fd> fd) {
    if (fd) descriptors.push_back(std::move(*fd));
    return fd ? base::Result<void>{} : std::unexpected(fd.error());
  };
  auto ready = ride(base::open("/dev/null", O_RDONLY));
  if (ready) ready = ride(open_output(out_, "out"));
  if (ready) ready = ride(open_output(err_, "err"));
  if (ready && process_.web && host_.listener.is_open()) {
    ready = ride(base::dup(host_.listener.get()));
    if (ready) ready = ride(open_server());
    numbers = {kListenNumber, kControlNumber};
  }
  if (!ready) return ready;
  json body = {{"type", "start"},     {"process", process_.name}, {"argv", process_.argv},
               {"env", process_.env}, {"cwd", process_.cwd},      {"numbers", numbers}};
  host_.to_init(control::Message(std::move(body), std::move(descriptors)));
  return {};
}

base::Result<base::Fd> Supervised::open_output(std::unique_ptr<Output>& output, const char* stream) {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  auto opened = Output::open(
      host_.loop, std::move(pipe->read), [this, stream](std::string_view line) { on_line(stream, line); },
      [this] { host_.changed(); });
  if (!opened) return std::unexpected(opened.error());
  output = std::move(*opened);
  return std::move(pipe->write);
}

base::Result<base::Fd> Supervised::open_server() {
  auto sockets = base::socketpair(SOCK_STREAM);
  if (!sockets) return std::unexpected(sockets.error());
  auto channel =
      control::Channel::open(host_.loop, std::move(sockets->ours), {.role = "supervisor"},
                             {.on_hello = {},
                              .on_message = [this](control::Message message) { on_server(std::move(message)); },
                              .on_closed = [](std::optional<base::Error>) {}});
  if (!channel) return std::unexpected(channel.error());
  server_ = std::move(*channel);
  return std::move(sockets->theirs);
}

// The server runs as the app's user and could be anything: what it tells goes to the daemon and to disk.
bool Supervised::may_tell(const json& message) {
  auto now = Clock::now();
  auto regained = std::chrono::duration<double>(now - told_).count() * kServerRate;
  told_ = now;
  allowance_ = std::min<double>(kServerBurst, allowance_ + regained) - 1;
  if (allowance_ >= 0) return message.dump(-1, ' ', false, json::error_handler_t::replace).size() <= kServerBytes;
  allowance_ = 0;
  return false;
}

void Supervised::on_server(control::Message message) {
  if (!may_tell(message.body())) return;
  json body = message.body();
  // A worker that was killed: only we can see that memory was the reason.
  if (message.type() == "worker_exited" && was_killed(body) && host_.memory_ran_out()) {
    body["cause"]["kind"] = "out_of_memory";
    body["cause"]["sentence"] = "out of memory: killed by the kernel at the app's memory limit";
  }
  host_.event({{"event", "server"}, {"process", process_.name}, {"message", std::move(body)}});
}

void Supervised::on_line(const char* stream, std::string_view line) {
  log_->write(stream, line);
  tail_.append(line).append("\n");
  if (tail_.size() > 2 * kTail) tail_.erase(0, tail_.find('\n', tail_.size() - kTail) + 1);
}

void Supervised::say(std::string_view line) {
  if (log_) log_->write("serai", line);
}

void Supervised::on_started(pid_t pid) {
  pid_ = pid;
  state_ = State::running;
  started_ = Clock::now();
  host_.event({{"event", "process_started"}, {"process", process_.name}, {"pid", pid}, {"restarts", restarts_}});
}

void Supervised::on_start_failed(const json& error) {
  json event = {{"event", "process_exited"},
                {"process", process_.name},
                {"cause", "not_started"},
                {"error", error},
                {"description", error.value("message", "it could not be started")}};
  schedule_restart(event);
  say("not started: " + event["description"].get<std::string>());
  host_.event(std::move(event));
  host_.changed();
}

void Supervised::on_exited(const json& message) {
  for (auto* output : {out_.get(), err_.get()})
    if (output) output->drain();  // its last words, before they are needed
  json event = {{"event", "process_exited"}, {"process", process_.name}, {"pid", pid_}, {"output", tail_}};
  pid_ = 0;
  explain(message, event);
  schedule_restart(event);
  say("ended: " + event["description"].get<std::string>() +
      (event.contains("restart_in_ms") ? fmt::format(", starts again in {} ms", event["restart_in_ms"].get<long>())
                                       : ""));
  host_.event(std::move(event));
  host_.changed();
}

void Supervised::explain(const json& message, json& event) {
  if (message.contains("code")) {
    event["cause"] = "exit";
    event["code"] = message.value("code", 0);
    event["description"] = base::describe(base::Exited{message.value("code", 0)});
    return;
  }
  int number = message.value("signal", 0);
  bool memory = number == SIGKILL && host_.memory_ran_out();
  event["cause"] = memory ? "out_of_memory" : message.value("cause", "signal");
  event["signal"] = number;
  event["description"] = memory ? "out of memory: killed by the kernel at the app's memory limit"
                                : message.value("description", base::describe(base::Signaled{number, false}));
}

void Supervised::schedule_restart(json& event) {
  bool again = process_.restart && !retired_;
  state_ = again ? State::waiting : State::ended;
  if (!again) return;
  if (started_ != Clock::time_point{} && Clock::now() - started_ > kSteady) pause_ = kFirstPause;
  event["restart_in_ms"] = pause_.count();
  restart_.set_after(pause_);
  pause_ = std::min(2 * pause_, kLongestPause);
}

void Supervised::signal(int number) {
  if (state_ == State::running) {
    host_.to_init(control::Message(json{{"type", "signal"}, {"process", process_.name}, {"signal", number}}));
  }
}

void Supervised::retire() {
  retired_ = true;
  restart_.cancel();
  if (state_ == State::waiting) state_ = State::ended;
}

void Supervised::tell_server(const json& message) {
  if (server_ && server_->is_open() && message.is_object() && message.contains("type"))
    (void)server_->send(control::Message(message));
}

bool Supervised::is_quiet() const {
  return state_ == State::ended && !(out_ && out_->is_open()) && !(err_ && err_->is_open());
}

json Supervised::status() const {
  const char* states[] = {"waiting", "running", "ended"};
  return {{"name", process_.name}, {"pid", pid_}, {"state", states[static_cast<int>(state_)]}, {"restarts", restarts_}};
}

}  // namespace instance
