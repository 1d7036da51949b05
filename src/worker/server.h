// worker::Server: listening sockets, clients, deadlines and draining; everything of the app server that knows no
// Python. One per worker process. Members are for the loop's thread unless they say otherwise.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "http/access_log.h"
#include "http/access_pattern.h"
#include "http/codec.h"
#include "http/h2/server_codec.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/transport.h"
#include "worker/client.h"
#include "worker/counters.h"
#include "worker/exchange.h"
#include "worker/listener.h"
#include "worker/options.h"
#include "worker/peer.h"
#include "worker/stream.h"

namespace worker {

enum class IdleConnections { keep, close };
enum class Outcome { drained = 0, timed_out = 1 };  // values as in _engine.pyi

namespace secure {
class Port;
}
namespace front {
class Front;
}

class Server : private net::Deferred {
 public:
  static base::Result<std::unique_ptr<Server>> create(const Options& options, Counters& counters, Handler& handler);
  ~Server();

  // Accepts on these sockets from now on; they stay the caller's.
  base::Result<void> listen(const std::vector<int>& sockets);
  // From any thread, also from a signal handler of Python: responses say `Connection: close` from now on, and the
  // loop's thread stops accepting as soon as it turns.
  void request_drain(IdleConnections idle);
  void request_stop();
  bool is_drain_requested() const { return drain_requested_.load(std::memory_order_relaxed); }
  // `is_finished` is true once no client and no exchange is left, or the graceful timeout has passed.
  void drain(IdleConnections idle);
  void stop();
  bool closes_idle() const { return closes_idle_; }
  bool is_finished() const;
  Outcome outcome() const { return timed_out_ ? Outcome::timed_out : Outcome::drained; }
  // What must also end before a drained server is finished, for example background tasks.
  void hold() { held_++; }
  void unhold() { held_--; }

  net::Loop& loop() { return *loop_; }
  // For those who may need it for longer than the server lives.
  std::shared_ptr<net::Loop> shared_loop() const { return loop_; }
  const Options& options() const { return options_; }
  const http::Limits& limits() const { return http2_.limits; }
  const http::h2::Options& http2_options() const { return http2_; }
  const TrustedPeers& trusted_peers() const { return trusted_; }
  Counters& counters() { return counters_; }
  // The application's, or what stands before it.
  Handler& handler() { return *handler_; }
  // The descriptor stays the caller's; -1: no log.
  void set_access_log(int fd);
  // Request headers that its lines show besides the usual ones.
  std::span<const std::string> shown_headers() const {
    return pattern_ ? std::span<const std::string>(pattern_->headers()) : std::span<const std::string>();
  }
  bool keeps_access_log() const { return access_log_.has_value(); }
  void log_access(const http::AccessEntry& entry);

  // --- for clients and listeners
  bool may_accept() const;
  // While nobody runs requests, connections are better left to other workers.
  void set_accepting(bool accepting) { accepting_ = accepting; }
  void adopt(net::Accepted accepted, const std::shared_ptr<const Peer>& local);
  // A client that speaks this protocol, for `replace`.
  std::unique_ptr<Client> make_client(net::Transport transport, Ends ends, Protocol protocol);
  // Another protocol on the same socket, which `client` no longer watches. Frees `client` at the end of the turn.
  void replace(Client& client, std::unique_ptr<Client> next, std::string_view received);
  // Frees the client at the end of the turn.
  void discard(Client& client);
  // Some client has a deadline at `when`.
  void watch_deadline(net::Clock::time_point when);
  // So much came from clients. After some hundred kilobytes the turn is over, so that requests are worked on while
  // their bodies are still in the processor's cache, and few bodies are in memory at a time.
  void note_received(std::size_t count) {
    counters_.add(Counter::bytes_in, count);
    received_ += count;
    if (received_ < enough_received) return;
    received_ = 0;
    loop_->end_dispatch();
  }
  // A response waits for the end of the turn.
  void note_unsent();
  // Sends what waits when the oldest has waited long enough; between two requests of one turn.
  void send_if_due(net::Clock::time_point now) {
    if (oldest_unsent_ <= now - longest_unsent) [[unlikely]]
      loop_->run_deferred();
  }

 private:
  static constexpr std::size_t enough_received = 512 * 1024;
  // A response waits for its turn's others this long at most.
  static constexpr auto longest_unsent = std::chrono::microseconds(500);

  Server(const Options& options, Counters& counters, Handler& handler, std::unique_ptr<net::Loop> loop,
         TrustedPeers trusted);
  void stand_before(std::unique_ptr<front::Front> front);
  void at_end_of_turn() override;
  void sweep();
  void give_up();
  void close_idle();

  const Options& options_;
  Counters& counters_;
  std::shared_ptr<net::Loop> loop_;
  std::unique_ptr<front::Front> front_;  // where an option asks for one
  Handler* handler_;
  http::h2::Options http2_;
  TrustedPeers trusted_;
  std::unique_ptr<secure::Port> tls_port_;  // where TCP sockets speak TLS
  std::unique_ptr<const http::AccessPattern> pattern_;
  std::optional<http::AccessLog> access_log_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Client>> discarded_;
  net::Timer sweep_timer_, graceful_timer_, log_timer_;
  net::Clock::time_point next_sweep_ = net::Clock::time_point::max();
  net::Clock::time_point oldest_unsent_ = net::Clock::time_point::max();
  std::size_t held_ = 0, received_ = 0;
  std::atomic<bool> drain_requested_ = false;
  bool accepting_ = true;
  bool draining_ = false, closes_idle_ = false, timed_out_ = false, stopped_ = false;
};

}  // namespace worker
