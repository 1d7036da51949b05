// asyncio::Watches: the readers and writers of an event loop (`add_reader`, `add_writer`), in an epoll of their own.
//
// That epoll is nested in the net::Loop which the event loop turns. Descriptors of the application so cannot be
// mistaken for the engine's, also where an application closes one and takes it back too late. Loop thread only.
#pragma once

#include <array>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "net/loop.h"
#include "python/ref.h"

namespace worker::asyncio {

class Handles;

enum class Direction { read, write };

class Watches final : private net::Pollable {
 public:
  // Throws python::Raised.
  Watches(net::Loop& loop, Handles& handles);
  ~Watches();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // The rest needs the GIL, and throws python::Raised.

  // `handle` is queued whenever `fd` is ready; the one before it is cancelled.
  void add(int fd, Direction direction, python::Ref handle);
  // Cancels the handle; false if there was none.
  bool remove(int fd, Direction direction);
  // selectors.EVENT_READ (1) and EVENT_WRITE (2).
  int events(int fd) const;
  // Calls `queue` with each handle that is due.
  template <typename Queue>
  void deliver(Queue&& queue);

  int visit(visitproc visitor, void* arg) const;
  void clear();

 private:
  struct Watch {
    python::Ref reader, writer;
    std::uint32_t events() const { return (reader.is_set() ? EPOLLIN : 0U) | (writer.is_set() ? EPOLLOUT : 0U); }
    python::Ref& in(Direction direction) { return direction == Direction::read ? reader : writer; }
  };
  using Map = std::unordered_map<int, Watch>;

  void on_ready(std::uint32_t) override { has_news_ = true; }
  void tell_kernel(int fd, std::uint32_t before, std::uint32_t now);
  int poll();
  python::Ref due(int fd, Direction direction);

  static constexpr std::size_t most_events = 256;

  net::Loop& loop_;
  Handles& handles_;
  base::Fd epoll_;
  Map watches_;
  std::array<epoll_event, most_events> events_;
  bool has_news_ = false;
};

template <typename Queue>
void Watches::deliver(Queue&& queue) {
  if (!std::exchange(has_news_, false)) return;
  const int count = poll();
  for (int i = 0; i < count; i++) {
    const epoll_event event = events_[static_cast<std::size_t>(i)];
    // As asyncio's selectors have it, an error or a hang-up is news to both.
    if (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) {
      if (python::Ref handle = due(event.data.fd, Direction::read); handle.is_set()) queue(handle.get());
    }
    if (event.events & ~static_cast<std::uint32_t>(EPOLLIN)) {
      if (python::Ref handle = due(event.data.fd, Direction::write); handle.is_set()) queue(handle.get());
    }
  }
}

}  // namespace worker::asyncio
