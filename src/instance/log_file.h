// instance::LogFile: one process's log, kept below the app's logs folder, out of the app's reach. Lines are
//   2026-11-23T07:45:00.123Z web out text
// with "out", "err" or "serai" (what the supervisor says). Rotated by size: NAME.log, NAME.log.1 (newer) … NAME.log.4.
// A follower sees the file's inode change and goes on with the new one.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"

namespace instance {

class LogFile {
 public:
  static constexpr std::size_t kMaxBytes = 10 << 20;
  static constexpr int kKept = 4;

  // `folder` must outlive it; the file is opened at once and again after each rotation.
  static base::Result<LogFile> open(const base::Fd& folder, std::string process);
  void write(std::string_view stream, std::string_view line);

 private:
  LogFile(const base::Fd& folder, std::string process) : folder_(&folder), process_(std::move(process)) {}
  base::Result<void> reopen();
  void rotate();

  const base::Fd* folder_;
  std::string process_;
  base::Fd file_;
  std::size_t size_ = 0;
};

}  // namespace instance
