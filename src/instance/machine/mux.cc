#include "instance/machine/mux.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "control/message.h"
#include "instance/machine/stream.h"

namespace instance {

using nlohmann::json;

namespace {

// Beyond it descriptors are not read: what they hold stays with whoever wrote it.
constexpr std::size_t kBusyAbove = 1 << 20;

}  // namespace

Mux::Mux(net::Loop& loop, base::Fd port, Events events)
    : loop_(loop), port_(std::move(port)), events_(std::move(events)) {}

base::Result<std::unique_ptr<Mux>> Mux::open(net::Loop& loop, base::Fd port, Events events) {
  std::unique_ptr<Mux> mux(new Mux(loop, std::move(port), std::move(events)));
  auto ready = base::set_nonblocking(mux->port_.get(), true);
  if (ready) ready = loop.add(mux->port_.get(), EPOLLIN, *mux);
  if (!ready) return std::unexpected(ready.error());
  return mux;
}

Mux::~Mux() {
  *alive_ = false;
  if (port_.is_open()) loop_.remove(port_.get(), *this);
}

void Mux::send(const json& message) {
  auto text = message.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kMaxFrameMessage) return close({base::Kind::overloaded, "a message is too large"});
  queue(encode_frame(FrameKind::message, 0, text));
}

void Mux::open_stream(std::uint32_t stream, const std::string& service) {
  queue(encode_frame(FrameKind::open, stream, service));
}

void Mux::attach(std::uint32_t number, base::Fd fd, Way way) {
  auto stream = std::make_unique<Stream>(loop_, number, std::move(fd), way,
                                         Stream::Host{.queue = [this](std::string_view frame) { queue(frame); },
                                                      .is_busy = [this] { return is_busy(); },
                                                      .ended = [this](std::uint32_t ended) { retire(ended); }});
  auto* raw = stream.get();
  streams_[number] = std::move(stream);
  raw->begin();
}

void Mux::refuse(std::uint32_t stream) { queue(encode_frame(FrameKind::reset, stream, "")); }

void Mux::drain() {
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, stream] : streams_) numbers.push_back(number);
  for (auto number : numbers)
    if (auto found = streams_.find(number); found != streams_.end()) found->second->drain();
}

void Mux::flush_for(std::chrono::milliseconds patience) {
  auto deadline = net::Clock::now() + patience;
  while (port_.is_open() && sent_ < outgoing_.size() && net::Clock::now() < deadline) {
    pollfd writable{port_.get(), POLLOUT, 0};
    if (::poll(&writable, 1, 10) < 0 || !flush()) return;
  }
}

void Mux::on_ready(std::uint32_t epoll_events) {
  auto alive = alive_;
  auto done = epoll_events & EPOLLOUT ? flush() : base::Result<void>{};
  if (done && (epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR))) done = read_port();
  if (!*alive) return;
  if (!done) close(done.error());
}

base::Result<void> Mux::read_port() {
  std::array<char, 65536> chunk;
  auto count = base::read_some(port_.get(), chunk);
  if (!count) return std::unexpected(count.error());
  if (!*count) return {};
  if (**count == 0) return base::fail(base::Kind::disconnected, "the other side of the machine is gone");
  decoder_.feed({chunk.data(), **count});
  auto alive = alive_;
  for (;;) {
    auto frame = decoder_.next();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame) return {};
    if (auto handled = handle(**frame); !handled || !*alive || !port_.is_open()) return handled;
  }
}

base::Result<void> Mux::handle(const Frame& frame) {
  if (frame.kind == FrameKind::message) {
    auto message = control::Message::parse(frame.payload);
    if (!message) return std::unexpected(message.error());
    events_.on_message(message->body());
    return {};
  }
  if (frame.kind == FrameKind::open) {
    if (events_.on_open && !streams_.contains(frame.stream)) events_.on_open(frame.stream, frame.payload);
    return {};
  }
  auto found = streams_.find(frame.stream);
  if (found == streams_.end()) return {};  // it ended on our side while this was on its way
  return found->second->handle(frame);
}

void Mux::queue(std::string_view frame) {
  if (!port_.is_open()) return;
  outgoing_ += frame;
  if (!watching_writes_) watch();
}

bool Mux::is_busy() const { return outgoing_.size() - sent_ > kBusyAbove; }

base::Result<void> Mux::flush() {
  was_busy_ = was_busy_ || is_busy();
  while (sent_ < outgoing_.size()) {
    auto count = base::write_some(port_.get(), std::string_view(outgoing_).substr(sent_, 64 << 10));
    if (!count) return std::unexpected(count.error());
    if (!*count) break;
    sent_ += **count;
  }
  if (sent_ == outgoing_.size() || sent_ > kBusyAbove) {
    outgoing_.erase(0, sent_);
    sent_ = 0;
  }
  if (was_busy_ && !is_busy()) {
    was_busy_ = false;
    for (auto& [number, stream] : streams_) stream->watch();
  }
  watch();
  return {};
}

void Mux::watch() {
  bool wanted = sent_ < outgoing_.size();
  if (wanted == watching_writes_ || !port_.is_open()) return;
  watching_writes_ = wanted;
  (void)loop_.modify(port_.get(), EPOLLIN | (wanted ? std::uint32_t{EPOLLOUT} : 0), *this);
}

void Mux::close(const base::Error& why) {
  if (!port_.is_open()) return;
  loop_.remove(port_.get(), *this);
  port_.close();
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, stream] : streams_) numbers.push_back(number);
  for (auto number : numbers) retire(number);
  events_.on_closed(why);
}

// Its caller may be the stream itself: it goes once the turn is over.
void Mux::retire(std::uint32_t number) {
  auto found = streams_.find(number);
  if (found == streams_.end()) return;
  found->second->stop();
  retired_.push_back(std::move(found->second));
  streams_.erase(found);
  if (retired_.size() > 1) return;
  loop_.post([this, alive = alive_] {
    if (*alive) retired_.clear();
  });
}

}  // namespace instance
