#include "environment/supervisor.h"

#include <nlohmann/json.hpp>

#include "instance/report.h"

namespace environment {

using nlohmann::json;

base::Result<Supervisor> Supervisor::connect(const Layout& layout, const std::string& id, milliseconds timeout) {
  auto channel = control::BlockingChannel::connect(layout.control_socket(id).string(), {.role = "daemon"}, timeout);
  if (!channel) return base::wrap(channel.error(), fmt::format("reach the supervisor of instance {}", id));
  return Supervisor(std::move(*channel));
}

base::Result<json> Supervisor::ask(json request) {
  if (auto sent = channel_.send(control::Message(std::move(request))); !sent) return std::unexpected(sent.error());
  for (;;) {
    auto answer = channel_.receive(milliseconds(10'000));
    if (!answer) return std::unexpected(answer.error());
    if (answer->type() == "error") return std::unexpected(instance::error_from_json(answer->body()));
    if (answer->type() != "event") return answer->body();
    pending_.push_back(answer->body());
  }
}

base::Result<json> Supervisor::status() { return ask({{"type", "status"}}); }

namespace {
base::Result<void> without_value(base::Result<json> answer) {
  if (!answer) return std::unexpected(answer.error());
  return {};
}
}  // namespace

base::Result<void> Supervisor::signal(const std::string& process, int number) {
  return without_value(ask({{"type", "signal"}, {"process", process}, {"signal", number}}));
}

base::Result<void> Supervisor::drain() { return without_value(ask({{"type", "drain"}})); }

base::Result<void> Supervisor::stop(milliseconds graceful_timeout) {
  return without_value(ask({{"type", "stop"}, {"graceful_timeout_ms", graceful_timeout.count()}}));
}

base::Result<void> Supervisor::tell_server(const std::string& process, json message) {
  return without_value(ask({{"type", "server"}, {"process", process}, {"message", std::move(message)}}));
}

base::Result<void> Supervisor::subscribe(long after) {
  return channel_.send(control::Message(json{{"type", "subscribe"}, {"after", after}}));
}

base::Result<json> Supervisor::next_event(milliseconds timeout) {
  if (!pending_.empty()) {
    auto event = std::move(pending_.front());
    pending_.pop_front();
    return event;
  }
  for (;;) {
    auto message = channel_.receive(timeout);
    if (!message) return std::unexpected(message.error());
    if (message->type() == "event") return message->body();
  }
}

Supervisor::Supervisor(control::BlockingChannel channel) : channel_(std::move(channel)) {}
Supervisor::Supervisor(Supervisor&&) noexcept = default;
Supervisor& Supervisor::operator=(Supervisor&&) noexcept = default;
Supervisor::~Supervisor() = default;

}  // namespace environment
