// instance::TerminalRelay: carries bytes between the caller's terminal and the one inside an instance, and the window's
// size. The caller's terminal is raw meanwhile.
#pragma once

#include <termios.h>

#include <memory>
#include <string>

#include "net/loop.h"

namespace instance {

class TerminalRelay {
 public:
  // `user_in`, `user_out`: the caller's terminal, borrowed. `master`: owned.
  TerminalRelay(net::Loop& loop, int user_in, int user_out, base::Fd master);
  ~TerminalRelay();
  base::Result<void> open();
  // Writes out what the instance still printed.
  void drain();

 private:
  struct Side final : net::Pollable {
    explicit Side(std::function<void()> f) : ready(std::move(f)) {}
    void on_ready(std::uint32_t) override { ready(); }
    std::function<void()> ready;
  };
  void from_user();
  bool from_instance();
  void to_instance();
  void hang_up();
  void follow_window();

  net::Loop& loop_;
  int user_in_, user_out_;
  base::Fd master_;
  Side user_side_, instance_side_;
  std::string pending_;  // typed, not taken by the instance yet
  termios before_{};
  bool raw_ = false, open_ = false;
  net::Timer window_;
};

}  // namespace instance
