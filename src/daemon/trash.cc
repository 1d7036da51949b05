#include "daemon/trash.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "daemon/services.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;

// This thread's share of the CPU and the disk comes last.
void lower_priority() {
  constexpr int kWhoProcess = 1, kBestEffort = 2, kLowest = 7;  // linux/ioprio.h
  ::setpriority(PRIO_PROCESS, 0, 19);                           // of the calling thread, on Linux
  ::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffort << 13 | kLowest);
}

}  // namespace

base::Result<std::unique_ptr<Trash>> Trash::open(fs::path folder) {
  if (auto made = base::make_folders(folder, 0700); !made) return std::unexpected(made.error());
  return std::unique_ptr<Trash>(new Trash(std::move(folder)));
}

Trash::Trash(fs::path folder)
    : folder_(std::move(folder)), worker_([this](const std::stop_token& stop) { work(stop); }) {}

base::Result<void> Trash::take(const fs::path& path) {
  auto place = folder_ / new_id();
  if (::rename(path.c_str(), place.c_str()) < 0) {
    if (errno == ENOENT) return {};
    if (errno == EXDEV) return base::remove_tree(path);  // somebody mounted a disk in between
    return base::errno_error(fmt::format("remove {}", path.string()));
  }
  std::lock_guard lock(mutex_);
  has_more_ = true;
  is_idle_ = false;
  changed_.notify_all();
  return {};
}

void Trash::wait_until_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_idle_; });
}

void Trash::work(const std::stop_token& stop) {
  lower_priority();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    has_more_ = false;
    lock.unlock();
    remove_all(stop);
    lock.lock();
    is_idle_ = !has_more_;
    changed_.notify_all();
    changed_.wait(lock, stop, [this] { return has_more_; });
  }
}

// What cannot be removed stays for the next time.
void Trash::remove_all(const std::stop_token& stop) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder_, error)) entries.push_back(entry.path());
  for (const auto& entry : entries) {
    if (stop.stop_requested()) return;
    if (auto removed = base::remove_tree(entry); !removed) {
      base::log(base::Level::warning, "trash.stuck", {{"error", removed.error().describe()}},
                "something could not be removed; it is tried again");
    }
  }
}

}  // namespace control_plane
