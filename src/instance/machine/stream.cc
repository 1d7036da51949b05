#include "instance/machine/stream.h"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace instance {
namespace {

constexpr std::size_t kTellAfter = Mux::kWindow / 4;
constexpr int kReadsAtOnce = 4;

bool is_ready(int fd, short events) {
  pollfd ready{fd, events, 0};
  return ::poll(&ready, 1, 0) > 0;
}

}  // namespace

Mux::Stream::Stream(net::Loop& loop, std::uint32_t number, base::Fd fd, Way way, Host host)
    : loop_(loop),
      number_(number),
      fd_(std::move(fd)),
      host_(std::move(host)),
      sends_(way != Way::in),
      receives_(way != Way::out) {
  struct stat facts{};
  ::fstat(fd_.get(), &facts);
  is_socket_ = S_ISSOCK(facts.st_mode);
}

void Mux::Stream::stop() {
  if (watched_) loop_.remove(fd_.get(), *this);
  watched_ = 0;
  sends_ = receives_ = false;
  fd_.close();
}

void Mux::Stream::watch() {
  while (is_file_ && fd_.is_open() && (wants_to_read() || wants_to_write())) {
    if (wants_to_write()) write_some();
    if (wants_to_read()) read_some();
  }
  if (is_file_ || !fd_.is_open()) return;
  std::uint32_t wanted = (wants_to_read() ? EPOLLIN : 0u) | (wants_to_write() ? EPOLLOUT : 0u);
  if (wanted == watched_) return;
  auto before = std::exchange(watched_, wanted);
  if (wanted == 0) return loop_.remove(fd_.get(), *this);
  auto done = before ? loop_.modify(fd_.get(), wanted, *this) : loop_.add(fd_.get(), wanted, *this);
  if (done) return;
  watched_ = 0;  // epoll_ctl(2), EPERM: a file or /dev/null, which never makes anybody wait
  is_file_ = true;
  watch();
}

void Mux::Stream::on_ready(std::uint32_t epoll_events) {
  if ((epoll_events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && wants_to_write()) write_some();
  for (int reads = 0; reads < kReadsAtOnce && fd_.is_open() && wants_to_read(); reads++) {
    if (!is_ready(fd_.get(), POLLIN)) break;
    read_some();
  }
  watch();
}

void Mux::Stream::drain() {
  while (fd_.is_open() && sends_ && credit_ > 0 && is_ready(fd_.get(), POLLIN)) read_some();
  watch();
}

void Mux::Stream::read_some() {
  std::array<char, kMaxFrameData> chunk;
  auto most = std::min(chunk.size(), credit_);
  auto count = is_socket_ ? ::recv(fd_.get(), chunk.data(), most, MSG_DONTWAIT) : ::read(fd_.get(), chunk.data(), most);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {  // a terminal whose other side is gone says EIO
    host_.queue(encode_frame(FrameKind::end, number_, ""));
    sends_ = false;
    return settle();
  }
  credit_ -= static_cast<std::size_t>(count);
  host_.queue(encode_frame(FrameKind::data, number_, {chunk.data(), static_cast<std::size_t>(count)}));
}

base::Result<void> Mux::Stream::handle(const Frame& frame) {
  if (frame.kind == FrameKind::reset) {
    host_.ended(number_);
    return {};
  }
  if (frame.kind == FrameKind::credit) {
    auto more = decode_credit(frame);
    if (!more) return std::unexpected(more.error());
    if (credit_ + *more > kWindow) return base::invalid("credit for more than was sent");
    credit_ += *more;
  } else if (frame.kind == FrameKind::data) {
    if (auto taken = take(frame.payload); !taken) return taken;
  } else {
    peer_ended_ = true;
    if (pending_.empty()) finish_writing();
  }
  watch();
  return {};
}

base::Result<void> Mux::Stream::take(const std::string& bytes) {
  if (!receives_) return {};
  if (peer_ended_ || pending_.size() + owed_ + bytes.size() > kWindow)
    return base::invalid("stream {} got more than it has room for", number_);
  pending_ += bytes;
  write_some();
  return {};
}

// Of a pipe or a terminal others may share the blocking mode: what poll(2) promises is room for PIPE_BUF bytes.
void Mux::Stream::write_some() {
  while (fd_.is_open() && wants_to_write()) {
    if (!is_socket_ && !is_file_ && !is_ready(fd_.get(), POLLOUT)) return;
    auto most = is_socket_ ? pending_.size() : std::min<std::size_t>(pending_.size(), PIPE_BUF);
    auto count = is_socket_ ? ::send(fd_.get(), pending_.data(), most, MSG_DONTWAIT | MSG_NOSIGNAL)
                            : ::write(fd_.get(), pending_.data(), most);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return reset();
    pending_.erase(0, static_cast<std::size_t>(count));
    owed_ += static_cast<std::size_t>(count);
    if (owed_ >= kTellAfter) host_.queue(encode_credit(number_, static_cast<std::uint32_t>(std::exchange(owed_, 0))));
  }
  if (peer_ended_ && receives_) finish_writing();
}

void Mux::Stream::finish_writing() {
  receives_ = false;
  if (is_socket_) ::shutdown(fd_.get(), SHUT_WR);
  settle();
}

void Mux::Stream::settle() {
  if (!sends_ && !receives_) host_.ended(number_);
}

void Mux::Stream::reset() {
  host_.queue(encode_frame(FrameKind::reset, number_, ""));
  host_.ended(number_);
}

}  // namespace instance
