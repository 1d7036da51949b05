#include "net/transport.h"

#include <sys/sendfile.h>

#include <algorithm>

namespace net {
namespace {

// Linux moves at most this much per call (sendfile(2)).
constexpr std::uint64_t largest_transfer = 0x7ffff000;

}  // namespace

ssize_t Transport::send_file(int file, std::uint64_t offset, std::uint64_t count, bool more_follows) {
  auto size = static_cast<std::size_t>(std::min(count, largest_transfer));
  if (layer_) return layer_->send_file(socket_.get(), file, offset, size, more_follows);
  auto from = static_cast<off_t>(offset);
  return ::sendfile(socket_.get(), file, &from, size);
}

bool Transport::end_sending() {
  if (layer_) layer_->end_sending(socket_.get());
  return ::shutdown(socket_.get(), SHUT_WR) == 0;
}

void Transport::break_off() {
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  layer_.reset();
}

void Transport::close() {
  if (layer_) layer_->end_sending(socket_.get());
  layer_.reset();
  socket_.close();
}

}  // namespace net
