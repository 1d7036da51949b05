#include "daemon/api/server.h"

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace control_plane::api {
namespace {

constexpr std::size_t kMostConnections = 64;

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(net::Loop& loop, const std::filesystem::path& socket,
                                               std::vector<uid_t> also_allowed, const Router& router) {
  std::unique_ptr<Server> server(new Server(router));
  auto accept = [raw = server.get()](base::Fd peer, uid_t uid) { raw->accept(std::move(peer), uid); };
  auto listener = control::Listener::listen(loop, socket.string(), std::move(also_allowed), accept);
  if (!listener) return std::unexpected(listener.error());
  server->listener_ = std::move(*listener);
  return server;
}

Server::~Server() {
  listener_.reset();
  for (auto& connection : connections_) connection.exchange->abort();
  for (auto& connection : connections_) connection.thread.join();
}

void Server::accept(base::Fd socket, uid_t uid) {
  reap();
  if (connections_.size() >= kMostConnections) {
    base::log(base::Level::warning, "api.full", {{"connections", connections_.size()}}, "a client was turned away");
    return;
  }
  (void)base::set_nonblocking(socket.get(), false);
  auto& connection = connections_.emplace_back();
  connection.exchange = std::make_unique<Exchange>(std::move(socket), uid);
  connection.thread = std::thread([this, &connection] {
    serve(*connection.exchange);
    connection.exchange->abort();
    connection.ended = true;
  });
}

void Server::serve(Exchange& exchange) {
  try {
    auto asked = exchange.read_head();
    if (!asked)
      exchange.answer(asked.error());
    else if (*asked)
      router_.serve(exchange);
  } catch (const std::exception& error) {
    base::log(base::Level::error, "api.exception", {{"path", exchange.path()}, {"what", error.what()}},
              "an API handler threw");
    exchange.answer(base::Error(base::Kind::internal, "the daemon failed to handle this; its log says more"));
  }
}

void Server::reap() {
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    if (!connection->ended) {
      ++connection;
      continue;
    }
    connection->thread.join();
    connection = connections_.erase(connection);
  }
}

}  // namespace control_plane::api
