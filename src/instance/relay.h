// instance::Relay: carries bytes both ways between two stream sockets until both ways have ended. What one side ends,
// the other is told; what one side breaks, breaks the other. Each way holds at most 64 KiB that the other side has not
// taken yet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "net/endpoint.h"
#include "net/loop.h"

namespace instance {

class Relay {
 public:
  // `client` is connected; the other side connects to the first of `targets` where somebody listens. `over` is told
  // once, from the loop; the owner may not destroy the relay from inside of it.
  Relay(net::Loop& loop, base::Fd client, std::vector<net::Endpoint> targets, std::function<void(Relay&)> over);
  Relay(const Relay&) = delete;
  ~Relay();

  void start();

 private:
  struct Side final : net::Pollable {
    explicit Side(Relay& r) : relay(r) {}
    void on_ready(std::uint32_t events) override { relay.on_ready(*this, events); }
    Relay& relay;
    base::Fd socket;
    std::string waiting;         // to be written here
    bool ended = false;          // nothing more is read from it
    bool told = false;           // that nothing more comes
    std::uint32_t interest = 0;  // as the loop knows it; 0: not registered
  };

  void on_ready(Side& side, std::uint32_t events);
  void connect();
  void on_connected();
  bool read_from(Side& side);  // false: broken
  bool write_to(Side& side);
  void watch(Side& side);
  void forget(Side& side);
  void break_off();
  void finish();
  Side& other(Side& side) { return &side == &client_ ? server_ : client_; }

  net::Loop& loop_;
  Side client_{*this}, server_{*this};
  std::vector<net::Endpoint> targets_;  // not tried yet, the next one last
  std::function<void(Relay&)> over_;
  bool connecting_ = true;
};

}  // namespace instance
