// http::AccessLog: one line per request, as text or JSON, gathered in a buffer and written many lines at a time.
//
// Text is the combined format with what matters more behind it: duration in seconds, app, request id.
//
//   192.0.2.7 - - [23/Nov/2026:08:00:00 +0000] "GET /a?b HTTP/1.1" 200 5120 "-" "curl/8" 0.001234 shop 6f1c…
//
// Nothing a client sends can begin a new line or end a quoted field: quotes, backslashes, control characters and bytes
// beyond ASCII are escaped. One thread. Several processes may share a file: whole lines are appended at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

namespace http {

// Views must live through the call only. Empty ones are written as "-" in text and left out of JSON.
struct AccessEntry {
  std::string_view peer;  // the client's address
  std::string_view method, target;
  std::uint8_t major_version = 1, minor_version = 1;
  std::string_view host, referer, user_agent;
  std::string_view app, request_id;
  std::string_view traceparent;                // W3C Trace Context; JSON only
  std::span<const std::string> shown_headers;  // values of AccessPattern::headers()
  int status = 0;
  std::uint64_t bytes_out = 0;  // of the body
  std::uint64_t bytes_in = 0;
  std::chrono::nanoseconds duration{};
  bool aborted = false;  // the client went away before the end of the answer
};

// Appends one line with its line end.
void append_access_line(const AccessEntry& entry, base::LogFormat format, std::string& out);

class AccessPattern;

class AccessLog {
 public:
  // Appends to a file, which is made with mode 0640 if it is not there.
  static base::Result<AccessLog> open(std::string path, base::LogFormat format);
  // Writes to a descriptor that belongs to somebody else.
  AccessLog(int fd, base::LogFormat format) : fd_(fd), format_(format) {}
  AccessLog(AccessLog&& other) noexcept;
  AccessLog& operator=(AccessLog&&) = delete;
  ~AccessLog() { flush(); }

  // Lines look like this from now on. The pattern must outlive the log.
  void set_pattern(const AccessPattern* pattern) { pattern_ = pattern; }

  void add(const AccessEntry& entry);
  // Writes what is there; call it from a timer and before leaving. Never blocks on a non-blocking descriptor: what it
  // does not take stays, up to a bound, beyond which lines are dropped and counted.
  void flush();
  // After a rotation: flushes to the old file and opens the path anew. Keeps the old one when that fails.
  base::Result<void> reopen();
  bool has_unwritten() const { return !buffer_.empty(); }
  std::uint64_t dropped() const { return dropped_; }  // lines

 private:
  std::string path_;
  base::Fd file_;  // empty when the descriptor is somebody else's
  int fd_ = -1;
  base::LogFormat format_;
  const AccessPattern* pattern_ = nullptr;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace http
