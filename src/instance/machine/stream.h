// instance::Mux::Stream: one descriptor at one end of a machine's byte stream. Only mux.cc includes this.
#pragma once

#include "instance/machine/mux.h"

namespace instance {

class Mux::Stream final : net::Pollable {
 public:
  struct Host {
    std::function<void(std::string_view frame)> queue;
    std::function<bool()> is_busy;
    std::function<void(std::uint32_t stream)> ended;  // may be called from any member but the constructor
  };
  Stream(net::Loop& loop, std::uint32_t number, base::Fd fd, Way way, Host host);
  ~Stream() { stop(); }

  void begin() { watch(); }
  base::Result<void> handle(const Frame& frame);
  void drain();
  // Asks for what can be done now. A descriptor that cannot be waited for (a file) is read and written at once.
  void watch();
  void stop();

 private:
  void on_ready(std::uint32_t epoll_events) override;
  base::Result<void> take(const std::string& bytes);
  bool wants_to_read() const { return sends_ && credit_ > 0 && !host_.is_busy(); }
  bool wants_to_write() const { return receives_ && !pending_.empty(); }
  void read_some();
  void write_some();
  void finish_writing();
  void settle();
  void reset();

  net::Loop& loop_;
  std::uint32_t number_;
  base::Fd fd_;
  Host host_;
  bool is_socket_ = false, is_file_ = false;
  bool sends_, receives_;
  std::size_t credit_ = kWindow;  // bytes that may be sent
  std::string pending_;           // came, not written yet
  std::size_t owed_ = 0;          // bytes written that the peer has not been told of
  bool peer_ended_ = false;
  std::uint32_t watched_ = 0;
};

}  // namespace instance
