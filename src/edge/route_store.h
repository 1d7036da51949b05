// edge::RouteStore: the last table on disk, so that an edge that starts before the daemon knows its routes.
//
// Writing waits for the disk, which the loop's thread must not: a thread of its own writes the newest content.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"

namespace edge {

class RouteStore {
 public:
  explicit RouteStore(std::filesystem::path path);
  RouteStore(const RouteStore&) = delete;
  RouteStore& operator=(const RouteStore&) = delete;
  ~RouteStore();  // writes what is still to be written

  // Empty optional when nothing was ever saved.
  base::Result<std::optional<std::string>> load() const;
  // Returns at once; the newest content wins. A failure is logged.
  void save(std::string content);

 private:
  void write_in_turn();

  std::filesystem::path path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> next_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace edge
