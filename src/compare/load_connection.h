// compare::LoadConnection: one kept-alive client connection of a load: asks, reads the answer, and says how it went.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "http/h1/codec.h"
#include "http/input_buffer.h"
#include "net/endpoint.h"
#include "net/loop.h"

namespace compare {

class LoadConnection final : net::Pollable {
 public:
  class Owner {
   public:
    // The answer to `ask` is whole; the connection may be asked again, from here too.
    virtual void on_answer(LoadConnection& connection, int status, std::uint64_t body_bytes) = 0;
    // There is none, for this reason; the connection was closed, and may be asked again, but not from here.
    virtual void on_failure(LoadConnection& connection, const std::string& reason) = 0;
    virtual void on_reconnect() = 0;

   protected:
    ~Owner() = default;
  };

  // All must outlive it.
  LoadConnection(net::Loop& loop, const net::Endpoint& endpoint, Owner& owner)
      : loop_(loop), endpoint_(endpoint), owner_(owner) {}
  ~LoadConnection() { close(); }
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  // Connects, if it is not connected; the way to know early that nobody is there.
  base::Result<void> open();
  bool is_connecting() const { return connecting_; }
  bool is_connected() const { return socket_.is_open() && !connecting_; }
  const std::string& trouble() const { return trouble_; }  // why it was closed last
  bool is_asking() const { return asking_; }
  // Sends a request; exactly one of on_answer and on_failure follows, not before this has returned. Its views must last
  // until then.
  void ask(const http::OutgoingRequest& request, std::string_view body);
  void give_up(std::string reason) { fail(std::move(reason)); }

  // Of the answer that on_answer tells about: 64-bit FNV-1a of its body, as it came.
  std::uint64_t body_digest() const { return body_digest_; }

  // For the owner.
  net::Clock::time_point due, sent;

 private:
  void on_ready(std::uint32_t epoll_events) override;
  bool finish_connecting();
  void send();
  void read(bool has_ended);
  bool process();
  bool handle(const http::Event& event);
  void on_end_of_input();
  void end_answer();
  void fail(std::string reason);
  void close();

  net::Loop& loop_;
  const net::Endpoint& endpoint_;
  Owner& owner_;
  base::Fd socket_;
  http::h1::ClientCodec codec_;
  http::InputBuffer input_;
  std::string output_, trouble_;
  std::size_t sent_bytes_ = 0;
  static constexpr std::uint64_t kFirstDigest = 14695981039346656037ULL;
  std::uint64_t body_bytes_ = 0, body_digest_ = kFirstDigest;
  bool connecting_ = false, asking_ = false, was_open_ = false;
};

}  // namespace compare
