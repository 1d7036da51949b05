// control_plane::api::LogReader: the last lines of one process's log (instance/log_file.h writes it), then the lines
// that come, across rotations. Of one thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace control_plane::api {

struct LogLine {
  std::string time;  // RFC 3339, UTC
  std::string process;
  std::string stream;  // out, err, serai
  std::string text;
};
// "2026-11-23T07:45:00.123Z web out text"; a line of another shape is all text.
LogLine parse_log_line(std::string_view line);

class LogReader {
 public:
  explicit LogReader(std::filesystem::path file) : file_(std::move(file)) {}
  // The last `count` lines there are now; reading goes on after them.
  std::vector<LogLine> last(std::size_t count);
  // What came since.
  std::vector<LogLine> next();

 private:
  bool open_current();
  void read_rest(std::vector<LogLine>& into);

  std::filesystem::path file_;
  base::Fd fd_;
  ino_t inode_ = 0;
  std::string partial_;
};

}  // namespace control_plane::api
