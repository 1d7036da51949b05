// edge::ClientOutput: what is to be sent to one client and how far that has come.
//
// Bytes are gathered and go out when the owner flushes. The loop is asked for room only while the socket takes no more.
#pragma once

#include <string>
#include <string_view>

#include "net/loop.h"
#include "net/transport.h"

namespace edge {

class ClientOutput {
 public:
  enum class More { no, follows };  // whether the kernel shall wait for more before it sends a part of a packet

  // `transport` is the owner's, registered with the loop by it, at first for `events`.
  ClientOutput(net::Loop& loop, net::Transport& transport, net::Pollable& owner)
      : loop_(loop), transport_(transport), owner_(owner) {}
  std::uint32_t events() const { return transport_.read_events() | (watching_ ? kReading | EPOLLOUT : kReading); }

  std::string& bytes() { return bytes_; }
  bool is_empty() const { return bytes_.empty(); }
  bool is_congested() const { return bytes_.size() - sent_ > kHighWater; }
  // The client takes nothing any more: what is written is lost.
  bool is_broken() const { return broken_; }
  void break_off() { broken_ = true; }

  // True when all is sent.
  bool flush(More more = More::no);
  // Sends what was gathered and then `more`, without copying what the socket takes; keeps the rest.
  void write_through(std::string_view more);
  // Somebody who sends by himself, or waits for an end of the congestion, needs room: EPOLLOUT comes.
  void want_room();
  // Whether room was wanted and is there; asked after a flush.
  bool take_wanted_room();
  void forget_wanted_room() { room_wanted_ = false; }

  // Since when the client has taken nothing of what is there for it.
  bool is_blocked() const { return watching_; }
  net::Clock::time_point last_progress() const { return last_progress_; }
  void note_progress() { last_progress_ = loop_.now(); }
  // Gives memory back, as far as it is more than `spare` bytes. Only while empty.
  void shrink(std::size_t spare);

 private:
  static constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
  static constexpr std::size_t kHighWater = 256 << 10;
  bool accept(ssize_t count, std::size_t& taken);
  void drop_sent();
  void watch(bool on);

  net::Loop& loop_;
  net::Transport& transport_;
  net::Pollable& owner_;
  std::string bytes_;
  std::size_t sent_ = 0;
  net::Clock::time_point last_progress_;
  bool watching_ = false, room_wanted_ = false, broken_ = false;
};

}  // namespace edge
