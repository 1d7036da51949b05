#include "edge/control_server.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace edge {

using control::Message;
using nlohmann::json;

namespace {

base::Result<std::vector<bool>> which_are_secure(const json& body) {
  auto list = body.find("secure");
  if (list == body.end()) return std::vector<bool>{};
  bool good = list->is_array() && std::ranges::all_of(*list, [](const json& one) { return one.is_boolean(); });
  if (!good) return base::invalid("\"secure\" must be a list of true and false, one for each socket");
  return list->get<std::vector<bool>>();
}

}  // namespace

ControlServer::ControlServer(net::Loop& loop, std::filesystem::path path, Controllable& server)
    : loop_(loop), path_(std::move(path)), server_(server) {}

ControlServer::~ControlServer() { stop_listening(); }

base::Result<std::unique_ptr<ControlServer>> ControlServer::listen(net::Loop& loop, const std::filesystem::path& path,
                                                                   std::vector<uid_t> controllers,
                                                                   Controllable& server) {
  std::unique_ptr<ControlServer> control(new ControlServer(loop, path, server));
  auto listener = control::Listener::listen(
      loop, path.string(), std::move(controllers),
      [self = control.get()](base::Fd socket, uid_t uid) { self->on_peer(std::move(socket), uid); });
  if (!listener) return std::unexpected(listener.error());
  control->listener_ = std::move(*listener);
  return control;
}

void ControlServer::stop_listening() {
  if (!listener_) return;
  listener_.reset();
  ::unlink(path_.c_str());
}

void ControlServer::on_peer(base::Fd socket, uid_t uid) {
  auto place = std::make_shared<control::Channel*>(nullptr);  // known once open() has returned
  auto channel =
      control::Channel::open(loop_, std::move(socket), {.role = "edge"},
                             {.on_hello = {},
                              .on_message = [this, place](Message message) { answer(**place, std::move(message)); },
                              .on_closed =
                                  [this, place](std::optional<base::Error> why) {
                                    if (why)
                                      base::log(base::Level::warning, "edge.control_broken", {}, why->describe());
                                    std::erase_if(channels_, [&](const auto& open) { return open.get() == *place; });
                                  }});
  if (!channel)
    return base::log(base::Level::warning, "edge.control_failed", {{"uid", uid}}, channel.error().describe());
  *place = channel->get();
  channels_.push_back(std::move(*channel));
}

void ControlServer::answer(control::Channel& channel, Message message) {
  auto id = message.body().find("id") == message.body().end() ? json() : message.body()["id"];
  auto done = carry_out(message);
  if (!done)
    base::log(base::Level::warning, "edge.control_refused", {{"message", message.type()}}, done.error().describe());
  auto reply = done ? std::move(*done) : control::error_message(done.error());
  if (!id.is_null()) reply.body()["id"] = std::move(id);
  if (auto sent = channel.send(std::move(reply)); !sent) {
    base::log(base::Level::warning, "edge.control_unanswered", {{"message", message.type()}}, sent.error().describe());
  }
}

base::Result<Message> ControlServer::carry_out(Message& message) {
  const auto& type = message.type();
  if (type == "routes") {
    auto generation = server_.on_routes(message.body());
    if (!generation) return std::unexpected(generation.error());
    return Message(json{{"type", "routes_applied"}, {"generation", *generation}});
  }
  if (type == "listen") {
    auto secure = which_are_secure(message.body());
    if (!secure) return std::unexpected(secure.error());
    auto addresses = server_.on_listen(std::move(message.descriptors), *secure);
    if (!addresses) return std::unexpected(addresses.error());
    return Message(json{{"type", "listening"}, {"addresses", *addresses}});
  }
  if (type == "certificates") {
    auto warnings = server_.on_certificates(message.body());
    if (!warnings) return std::unexpected(warnings.error());
    return Message(json{{"type", "certificates_applied"}, {"warnings", *warnings}});
  }
  if (type == "counters") return Message(server_.on_counters());
  if (type == "give_sockets") {
    auto copies = server_.copies_of_sockets();
    if (!copies) return std::unexpected(copies.error());
    return Message(json{{"type", "sockets"}, {"addresses", server_.addresses()}, {"secure", server_.are_secure()}},
                   std::move(*copies));
  }
  if (type == "reopen_logs") {
    // A descriptor that rides along is where our own output goes from now on.
    for (int output : {STDOUT_FILENO, STDERR_FILENO})
      if (!message.descriptors.empty()) ::dup2(message.descriptors.front().get(), output);
    if (auto reopened = server_.on_reopen_logs(); !reopened) return std::unexpected(reopened.error());
    return Message("done");
  }
  if (type == "drain") return drain(message.body());
  return base::fail(base::Kind::unsupported, "the edge knows no message \"{}\"", type);
}

base::Result<Message> ControlServer::drain(const json& body) {
  auto timeout = body.find("timeout");
  if (timeout == body.end() || !timeout->is_number_integer() || *timeout < 0 || *timeout > 86400) {
    return base::invalid("drain needs a \"timeout\" in seconds, at most 86400");
  }
  server_.on_drain(std::chrono::seconds(timeout->get<int>()));
  return Message("draining");
}

}  // namespace edge
