#include "worker/server.h"

#include <algorithm>

#include "base/log.h"
#include "worker/front/front.h"
#include "worker/h1/connection.h"
#include "worker/h2/connection.h"
#include "worker/secure/port.h"

namespace worker {
namespace {

// Deadlines are seconds; looking at all connections this often at most is exact enough and cheap.
constexpr auto least_sweep_interval = std::chrono::milliseconds(250);
// Lines of the access log are gathered for so long.
constexpr auto log_interval = std::chrono::milliseconds(100);

http::Limits limits_of(const Options& options) {
  http::Limits limits;
  limits.head_bytes = static_cast<std::uint32_t>(options.max_header_bytes);
  limits.target_bytes = static_cast<std::uint32_t>(options.max_target);
  limits.headers = static_cast<std::uint32_t>(options.max_headers);
  limits.body_bytes = options.max_body ? options.max_body : UINT64_MAX;
  return limits;
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::create(const Options& options, Counters& counters, Handler& handler) {
  auto trusted = TrustedPeers::parse(options.forwarded_allow);
  if (!trusted) return base::wrap(trusted.error(), "option forwarded_allow");
  if (auto pattern = http::AccessPattern::parse(options.access_log_pattern); !pattern)
    return base::wrap(pattern.error(), "option access_log_pattern");
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  auto front = front::Front::create(options, **loop, handler);
  if (!front) return std::unexpected(front.error());
  std::unique_ptr<Server> server(new Server(options, counters, handler, std::move(*loop), std::move(*trusted)));
  if (*front) server->stand_before(std::move(*front));
  return server;
}

Server::Server(const Options& options, Counters& counters, Handler& handler, std::unique_ptr<net::Loop> loop,
               TrustedPeers trusted)
    : options_(options),
      counters_(counters),
      loop_(std::move(loop)),
      handler_(&handler),
      http2_{
          .limits = limits_of(options), .server_name = options.server_header, .websockets = handler.takes_websockets()},
      trusted_(std::move(trusted)),
      sweep_timer_(*loop_, [this] { sweep(); }),
      graceful_timer_(*loop_, [this] { give_up(); }),
      log_timer_(*loop_, [this] { access_log_->flush(); }) {
  if (!options.access_log_pattern.empty()) {
    pattern_ = std::make_unique<http::AccessPattern>(*http::AccessPattern::parse(options.access_log_pattern));
  }
  set_access_log(options.access_log);
  if (options.tls) tls_port_ = std::make_unique<secure::Port>(*this, options.tls);
}

void Server::stand_before(std::unique_ptr<front::Front> front) {
  front_ = std::move(front);
  handler_ = front_.get();
}

Server::~Server() {
  listeners_.clear();
  while (!clients_.empty()) {
    Client& client = *clients_.back();
    client.close();
    if (!clients_.empty() && clients_.back().get() == &client) discard(client);  // it still waits for a thread
  }
}

base::Result<void> Server::listen(const std::vector<int>& sockets) {
  if (draining_) return {};
  for (int socket : sockets) {
    auto listener = Listener::create(*this, socket);
    if (!listener) return std::unexpected(listener.error());
    listeners_.push_back(std::move(*listener));
  }
  return {};
}

void Server::request_drain(IdleConnections idle) {
  drain_requested_.store(true, std::memory_order_relaxed);
  loop_->post([this, idle] { drain(idle); });
}

void Server::request_stop() {
  loop_->post([this] { stop(); });
}

void Server::drain(IdleConnections idle) {
  if (!draining_) {
    if (idle == IdleConnections::close)  // nobody goes on accepting
      for (const auto& listener : listeners_) listener->accept_waiting();
    draining_ = true;
    listeners_.clear();
    graceful_timer_.set_after(options_.graceful_timeout);
    for (std::size_t i = clients_.size(); i-- > 0;) clients_[i]->on_drain();
  }
  closes_idle_ = closes_idle_ || idle == IdleConnections::close;
  if (closes_idle_) close_idle();
}

void Server::close_idle() {
  // From the back: discarding moves the last client into the gap.
  for (std::size_t i = clients_.size(); i-- > 0;)
    if (clients_[i]->is_idle()) clients_[i]->close();
}

void Server::stop() {
  listeners_.clear();
  draining_ = stopped_ = true;
  if (held_ > 0) timed_out_ = true;
}

void Server::give_up() {
  close_idle();
  if (!clients_.empty() || held_ > 0) {
    base::log(base::Level::warning, "worker.graceful_timeout", {{"connections", clients_.size()}, {"requests", held_}},
              "the graceful timeout has passed; requests that still run are ended");
    timed_out_ = true;
  }
  stopped_ = true;
}

bool Server::is_finished() const { return stopped_ || (draining_ && clients_.empty() && held_ == 0); }

bool Server::may_accept() const {
  if (!accepting_) return false;
  return options_.backlog_limit == 0 || clients_.size() < options_.backlog_limit;
}

void Server::adopt(net::Accepted accepted, const std::shared_ptr<const Peer>& local) {
  counters_.add(Counter::accepted);
  counters_.add(Counter::connections);
  Ends ends{Peer{std::move(accepted.peer_host), accepted.peer_port, local->is_unix}, local, trusted_};
  ends.is_trusted = trusted_.contains(ends.client);
  bool secured = tls_port_ && !local->is_unix;
  auto client = secured ? tls_port_->begin(std::move(accepted.socket), std::move(ends))
                        : make_client(net::Transport(std::move(accepted.socket)), std::move(ends), Protocol::http1);
  if (!client) return counters_.subtract(Counter::connections);
  client->position = clients_.size();
  clients_.push_back(std::move(client));
  clients_.back()->open({});
}

std::unique_ptr<Client> Server::make_client(net::Transport transport, Ends ends, Protocol protocol) {
  if (protocol == Protocol::http2)
    return std::make_unique<h2::Connection>(*this, std::move(transport), std::move(ends));
  return std::make_unique<h1::Connection>(*this, std::move(transport), std::move(ends));
}

void Server::replace(Client& client, std::unique_ptr<Client> next, std::string_view received) {
  std::unique_ptr<Client>& place = clients_[client.position];
  next->position = client.position;
  discarded_.push_back(std::exchange(place, std::move(next)));
  loop_->defer(*this);
  place->open(received);
}

void Server::discard(Client& client) {
  counters_.subtract(Counter::connections);
  std::size_t position = client.position;
  discarded_.push_back(std::move(clients_[position]));
  clients_[position] = std::move(clients_.back());
  clients_.pop_back();
  if (position < clients_.size()) clients_[position]->position = position;
  loop_->defer(*this);  // its own function may still be running: free it later
}

void Server::watch_deadline(net::Clock::time_point when) {
  if (when >= next_sweep_) return;
  auto sweep = std::max(when, loop_->now() + least_sweep_interval);
  if (sweep >= next_sweep_) return;  // a client that makes its deadline known again and again puts nothing off
  next_sweep_ = sweep;
  sweep_timer_.set(next_sweep_);
}

void Server::sweep() {
  auto now = loop_->now();
  for (std::size_t i = clients_.size(); i-- > 0;)
    if (clients_[i]->deadline() <= now) clients_[i]->on_time(now);
  next_sweep_ = net::Clock::time_point::max();
  auto earliest = net::Clock::time_point::max();
  for (auto& client : clients_) earliest = std::min(earliest, client->deadline());
  if (earliest != net::Clock::time_point::max()) watch_deadline(earliest);
}

void Server::set_access_log(int fd) {
  log_timer_.cancel();
  access_log_.reset();
  if (fd >= 0) access_log_.emplace(fd, options_.access_log_json ? base::LogFormat::json : base::LogFormat::text);
  if (access_log_) access_log_->set_pattern(pattern_.get());
}

void Server::log_access(const http::AccessEntry& entry) {
  if (!access_log_) return;  // it was closed while the request ran
  access_log_->add(entry);
  if (!log_timer_.is_set()) log_timer_.set_after(log_interval);
}

void Server::note_unsent() {
  if (oldest_unsent_ != net::Clock::time_point::max()) return;
  oldest_unsent_ = net::Clock::now();
  loop_->defer(*this);
}

// All that waited was sent with this turn: the next turn's answers have their own time.
void Server::at_end_of_turn() {
  oldest_unsent_ = net::Clock::time_point::max();
  discarded_.clear();
}

}  // namespace worker
