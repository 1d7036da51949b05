#include "tls/layer.h"

#include <algorithm>
#include <array>

namespace tls {
namespace {

// As the system calls answer.
ssize_t answer(const Transfer& transfer) {
  if (transfer.bytes > 0) return static_cast<ssize_t>(transfer.bytes);
  switch (transfer.progress) {
    case Progress::done:
    case Progress::ended:
      return 0;
    case Progress::wants_read:
    case Progress::wants_write:
      errno = EAGAIN;
      return -1;
    case Progress::failed:
      errno = EPROTO;
      return -1;
  }
  return -1;
}

Then then(bool more_follows) { return more_follows ? Then::more : Then::nothing; }

}  // namespace

ssize_t Layer::receive(int, std::span<char> room) { return answer(session_->read(room)); }

ssize_t Layer::send(int, std::span<const iovec> pieces, bool more_follows) {
  std::array<std::string_view, 64> views;
  std::size_t count = std::min(pieces.size(), views.size());
  std::transform(
      pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(count), views.begin(),
      [](const iovec& piece) { return std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len); });
  bool some_left = count < pieces.size();
  return answer(session_->write({views.data(), count}, then(more_follows || some_left)));
}

ssize_t Layer::send_file(int, int file, std::uint64_t offset, std::size_t count, bool more_follows) {
  return answer(session_->send_file(file, offset, count, then(more_follows)));
}

}  // namespace tls
