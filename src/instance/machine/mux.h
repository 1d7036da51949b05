// instance::Mux: one end of the conversation between a machine's host side and its guest: messages, and streams that
// carry what descriptors give and take (frame.h). All for the loop's thread.
//
// Each direction of a stream has a window: a side sends no more than the other has room for, so that one visitor who
// reads slowly holds up nobody else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "instance/machine/frame.h"
#include "net/loop.h"

namespace instance {

enum class Way {
  in,   // what the peer sends is written to the descriptor
  out,  // what the descriptor gives is sent
  both,
};

class Mux final : net::Pollable {
 public:
  static constexpr std::size_t kWindow = 256 << 10;

  struct Events {
    std::function<void(const nlohmann::json&)> on_message;                          // has a "type"
    std::function<void(std::uint32_t stream, const std::string& service)> on_open;  // empty: refused
    std::function<void(const base::Error& why)> on_closed;                          // once
  };
  // Owns the port: a connected stream socket or a virtio-serial device.
  static base::Result<std::unique_ptr<Mux>> open(net::Loop& loop, base::Fd port, Events events);
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;
  ~Mux();

  void send(const nlohmann::json& message);
  // The host side's: begins a stream towards a socket of the guest's.
  void open_stream(std::uint32_t stream, const std::string& service);
  // Owns the descriptor, of any kind; leaves its blocking mode as it is, since others may share it.
  void attach(std::uint32_t stream, base::Fd fd, Way way);
  // Tells the peer that nothing will come of this stream.
  void refuse(std::uint32_t stream);
  // Sends what the descriptors hold now, as far as the windows allow: before a message that must come after it.
  void drain();
  // Until all that is queued is with the peer, at most so long.
  void flush_for(std::chrono::milliseconds patience);
  bool is_open() const { return port_.is_open(); }

 private:
  class Stream;
  Mux(net::Loop& loop, base::Fd port, Events events);
  void on_ready(std::uint32_t epoll_events) override;
  base::Result<void> read_port();
  base::Result<void> handle(const Frame& frame);
  void queue(std::string_view frame);
  base::Result<void> flush();
  bool is_busy() const;
  void watch();
  void close(const base::Error& why);
  void retire(std::uint32_t stream);

  net::Loop& loop_;
  base::Fd port_;
  Events events_;
  FrameDecoder decoder_;
  std::map<std::uint32_t, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Stream>> retired_;  // until nobody is inside them
  std::string outgoing_;
  std::size_t sent_ = 0;  // of `outgoing_`
  bool watching_writes_ = false, was_busy_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace instance
