#include "worker/asyncio/watches.h"

#include <cerrno>

#include "python/error.h"
#include "worker/asyncio/handles.h"

namespace worker::asyncio {
namespace {

[[noreturn]] void raise_errno() {
  PyErr_SetFromErrno(PyExc_OSError);
  python::rethrow();
}

}  // namespace

Watches::Watches(net::Loop& loop, Handles& handles)
    : loop_(loop), handles_(handles), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.is_open()) raise_errno();
  if (auto added = loop_.add(epoll_.get(), EPOLLIN, *this); !added) {
    python::raise(PyExc_OSError, added.error().describe());
  }
}

Watches::~Watches() { loop_.remove(epoll_.get(), *this); }

void Watches::add(int fd, Direction direction, python::Ref handle) {
  Watch& watch = watches_[fd];
  const std::uint32_t before = watch.events();
  try {
    tell_kernel(fd, before, before | (direction == Direction::read ? EPOLLIN : EPOLLOUT));
  } catch (const python::Raised&) {
    if (before == 0) watches_.erase(fd);
    throw;
  }
  python::Ref old = std::exchange(watch.in(direction), std::move(handle));
  if (old.is_set()) handles_.cancel(old.get());
}

bool Watches::remove(int fd, Direction direction) {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return false;
  const std::uint32_t before = found->second.events();
  python::Ref old = std::move(found->second.in(direction));
  if (!old.is_set()) return false;
  const std::uint32_t now = found->second.events();
  if (now == 0) {
    watches_.erase(found);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);  // fails where the application has closed it: as good
  } else {
    tell_kernel(fd, before, now);
  }
  handles_.cancel(old.get());
  return true;
}

void Watches::tell_kernel(int fd, std::uint32_t before, std::uint32_t now) {
  if (before == now) return;
  epoll_event event{now, {.fd = fd}};
  if (before != 0 && ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return;
  if (before != 0 && errno != ENOENT) raise_errno();
  // New; or closed by the application meanwhile, and the number was given out again.
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
  if (errno != EEXIST || ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) raise_errno();
}

int Watches::poll() { return ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), 0); }

python::Ref Watches::due(int fd, Direction direction) {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return {};
  python::Ref& handle = found->second.in(direction);
  if (!handle.is_set()) return {};
  if (!handles_.is_cancelled(handle.get())) return handle.share();
  remove(fd, direction);
  return {};
}

int Watches::events(int fd) const {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return 0;
  return (found->second.reader.is_set() ? 1 : 0) | (found->second.writer.is_set() ? 2 : 0);
}

int Watches::visit(visitproc visitor, void* arg) const {
  for (const auto& [fd, watch] : watches_) {
    if (int stop = watch.reader.visit(visitor, arg)) return stop;
    if (int stop = watch.writer.visit(visitor, arg)) return stop;
  }
  return 0;
}

void Watches::clear() {
  Map watches = std::exchange(watches_, {});
  for (const auto& [fd, watch] : watches) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

}  // namespace worker::asyncio
