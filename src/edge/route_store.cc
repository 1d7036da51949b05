#include "edge/route_store.h"

#include "base/file.h"
#include "base/log.h"

namespace edge {

RouteStore::RouteStore(std::filesystem::path path) : path_(std::move(path)), writer_([this] { write_in_turn(); }) {}

RouteStore::~RouteStore() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

base::Result<std::optional<std::string>> RouteStore::load() const {
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) return std::nullopt;
  auto content = base::read_file(path_);
  if (!content) return std::unexpected(content.error());
  return std::move(*content);
}

void RouteStore::save(std::string content) {
  {
    std::lock_guard lock(mutex_);
    next_ = std::move(content);
  }
  changed_.notify_one();
}

void RouteStore::write_in_turn() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return next_ || stopping_; });
    if (!next_) return;
    auto content = std::exchange(next_, std::nullopt);
    lock.unlock();
    auto written = base::write_file_atomically(path_, *content, 0600);
    if (!written) base::log(base::Level::error, "edge.routes_not_saved", {}, written.error().describe());
    lock.lock();
  }
}

}  // namespace edge
