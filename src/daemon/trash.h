// control_plane::Trash: ROOT/trash, where what nobody needs any more goes at once, to be removed in the background:
// removing a virtual environment can take a minute on disks that discard blocks. What a daemon left there the next one
// removes. Thread-safe.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/error.h"

namespace control_plane {

class Trash {
 public:
  // Makes the folder, for us alone, and begins to empty it.
  static base::Result<std::unique_ptr<Trash>> open(std::filesystem::path folder);
  // Ends after the entry at work; the rest waits for the next daemon.
  ~Trash() = default;

  // Takes a file or a folder away; one that is not there is no error.
  base::Result<void> take(const std::filesystem::path& path);
  // Until everything is removed that was taken before.
  void wait_until_empty();

 private:
  explicit Trash(std::filesystem::path folder);
  void work(const std::stop_token& stop);
  void remove_all(const std::stop_token& stop);

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool has_more_ = true;  // something was taken since the worker last looked
  bool is_idle_ = false;
  std::jthread worker_;  // last: it ends before the rest goes
};

}  // namespace control_plane
