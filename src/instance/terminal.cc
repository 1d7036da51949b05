#include "instance/terminal.h"

#include <sys/ioctl.h>

#include <array>

namespace instance {
namespace {
constexpr std::chrono::milliseconds kWindowCheck{250};  // SIGWINCH goes to the terminal's own session only
constexpr std::size_t kMostPending = 4096;
}  // namespace

TerminalRelay::TerminalRelay(net::Loop& loop, int user_in, int user_out, base::Fd master)
    : loop_(loop),
      user_in_(user_in),
      user_out_(user_out),
      master_(std::move(master)),
      user_side_([this] { from_user(); }),
      instance_side_([this] { from_instance(); }),
      window_(loop, [this] { follow_window(); }) {}

base::Result<void> TerminalRelay::open() {
  raw_ = ::tcgetattr(user_in_, &before_) == 0;
  if (raw_) {
    termios raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(user_in_, TCSANOW, &raw);
  }
  auto ready = base::set_nonblocking(master_.get(), true);
  if (ready) ready = loop_.add(master_.get(), EPOLLIN, instance_side_);
  if (ready) ready = loop_.add(user_in_, EPOLLIN, user_side_);
  open_ = ready.has_value();
  follow_window();
  return ready;
}

TerminalRelay::~TerminalRelay() {
  if (open_) {
    loop_.remove(user_in_, user_side_);
    loop_.remove(master_.get(), instance_side_);
  }
  if (raw_) ::tcsetattr(user_in_, TCSANOW, &before_);
}

void TerminalRelay::from_user() {
  std::array<char, 1024> typed;
  // The descriptor is shared with the caller and may not be made non-blocking: one read per readiness.
  if (pending_.size() > kMostPending) return;
  auto count = base::read_some(user_in_, typed);
  if (!count || !*count || **count == 0) return hang_up();
  pending_.append(typed.data(), **count);
  to_instance();
}

// The user's terminal is gone. Closing ours hangs up the command's: SIGHUP, as when a modem let go.
void TerminalRelay::hang_up() {
  loop_.remove(user_in_, user_side_);
  loop_.remove(master_.get(), instance_side_);
  open_ = false;
  window_.cancel();
  master_.close();
}

void TerminalRelay::to_instance() {
  while (!pending_.empty()) {
    auto count = base::write_some(master_.get(), pending_);
    if (!count || !*count) break;
    pending_.erase(0, **count);
  }
}

bool TerminalRelay::from_instance() {
  if (!master_.is_open()) return false;  // hung up
  std::array<char, 16384> printed;
  auto count = base::read_some(master_.get(), printed);
  if (count && *count && **count > 0) {
    (void)base::write_all(user_out_, {printed.data(), **count});
    return true;
  }
  // EIO: nobody inside holds the terminal any more.
  if (!count) loop_.remove(master_.get(), instance_side_);
  return false;
}

void TerminalRelay::drain() {
  while (from_instance()) {
  }
}

void TerminalRelay::follow_window() {
  winsize theirs{}, ours{};
  if (::ioctl(user_in_, TIOCGWINSZ, &theirs) == 0 && ::ioctl(master_.get(), TIOCGWINSZ, &ours) == 0 &&
      (theirs.ws_col != ours.ws_col || theirs.ws_row != ours.ws_row)) {
    ::ioctl(master_.get(), TIOCSWINSZ, &theirs);
  }
  to_instance();
  window_.set_after(kWindowCheck);
}

}  // namespace instance
