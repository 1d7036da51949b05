#include "http/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "http/access_pattern.h"
#include "http/access_text.h"
#include "http/h1/append.h"

namespace http {
namespace {

constexpr std::size_t flush_at = 64 << 10;
constexpr std::size_t most_buffered = 4 << 20;

using h1::append;
using h1::Digits;

constexpr char hex_digits[] = "0123456789abcdef";

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

// Appends text with everything escaped that is not plain; `escape` goes before the two digits of a byte.
void append_escaped(std::string_view text, std::string& out, std::string_view escape) {
  while (!text.empty()) {
    auto run = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
    append(out, text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) return;
    auto byte = static_cast<unsigned char>(text.front());
    if (byte == '"' || byte == '\\') {
      append(out, "\\", text.substr(0, 1));
    } else {
      char code[] = {hex_digits[byte >> 4], hex_digits[byte & 15]};
      append(out, escape, std::string_view(code, 2));
    }
    text.remove_prefix(1);
  }
}

}  // namespace

void append_access_text(std::string_view text, std::string& out) {
  if (text.empty()) return append(out, "-");
  append_escaped(text, out, "\\x");
}

void append_access_word(std::string_view text, std::string& out) {
  std::size_t from = out.size();
  append_access_text(text, out);
  std::replace(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(), ' ', '_');
}

void append_access_duration(std::chrono::nanoseconds duration, std::string& out) {
  auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) / 1000;
  char fraction[6];
  for (std::uint64_t rest = micros % 1'000'000, at = 6; at-- > 0; rest /= 10) {
    fraction[at] = static_cast<char>('0' + rest % 10);
  }
  append(out, Digits(micros / 1'000'000).view(), ".", std::string_view(fraction, 6));
}

// Made once per second.
std::string_view access_time(base::LogFormat format) {
  struct Cached {
    std::time_t second = -1;
    std::array<char, 32> text{};
    std::size_t size = 0;
  };
  thread_local Cached caches[2];
  Cached& cached = caches[format == base::LogFormat::json];
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != cached.second) {
    std::tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    const char* shape = format == base::LogFormat::json ? "%Y-%m-%dT%H:%M:%SZ" : "%d/%b/%Y:%H:%M:%S +0000";
    cached.size = std::strftime(cached.text.data(), cached.text.size(), shape, &parts);
    cached.second = now.tv_sec;
  }
  return {cached.text.data(), cached.size};
}

std::string_view access_protocol(const AccessEntry& entry) {
  if (entry.major_version == 2) return "HTTP/2.0";
  return entry.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

namespace {

void append_text_line(const AccessEntry& entry, std::string& out) {
  append_access_word(entry.peer, out);
  append(out, " - - [", access_time(base::LogFormat::text), "] \"");
  if (entry.method.empty()) {
    append(out, "-");  // bytes that were no request
  } else {
    append_access_text(entry.method, out);
    append(out, " ");
    append_access_text(entry.target, out);
    append(out, " ", access_protocol(entry));
  }
  append(out, "\" ", Digits(static_cast<std::uint64_t>(entry.status)).view(), " ", Digits(entry.bytes_out).view(),
         " \"");
  append_access_text(entry.referer, out);
  append(out, "\" \"");
  append_access_text(entry.user_agent, out);
  append(out, "\" ");
  append_access_duration(entry.duration, out);
  append(out, " ");
  append_access_word(entry.app, out);
  append(out, " ");
  append_access_word(entry.request_id, out);
  append(out, entry.aborted ? " aborted\n" : "\n");
}

void append_member(std::string_view name, std::string_view text, std::string& out) {
  if (text.empty()) return;
  append(out, ",\"", name, "\":\"");
  append_escaped(text, out, "\\u00");
  append(out, "\"");
}

// W3C Trace Context, section 3.2: 00-<trace id, 32 digits>-<span id, 16 digits>-<flags>.
void append_trace(std::string_view traceparent, std::string& out) {
  constexpr std::size_t span_at = 36, flags_at = 53;
  if (traceparent.size() < flags_at + 2 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') {
    return;
  }
  append_member("trace_id", traceparent.substr(3, 32), out);
  append_member("span_id", traceparent.substr(span_at, 16), out);
}

void append_json_line(const AccessEntry& entry, std::string& out) {
  append(out, "{\"time\":\"", access_time(base::LogFormat::json), "\"");
  append_member("peer", entry.peer, out);
  append_member("method", entry.method, out);
  append_member("target", entry.target, out);
  if (!entry.method.empty()) append(out, ",\"protocol\":\"", access_protocol(entry), "\"");
  append_member("host", entry.host, out);
  append(out, ",\"status\":", Digits(static_cast<std::uint64_t>(entry.status)).view());
  append(out, ",\"bytes_out\":", Digits(entry.bytes_out).view(), ",\"bytes_in\":", Digits(entry.bytes_in).view());
  append(out, ",\"duration\":");
  append_access_duration(entry.duration, out);
  append_member("referer", entry.referer, out);
  append_member("user_agent", entry.user_agent, out);
  append_member("app", entry.app, out);
  append_member("request_id", entry.request_id, out);
  append_trace(entry.traceparent, out);
  append(out, entry.aborted ? ",\"aborted\":true}\n" : "}\n");
}

base::Result<base::Fd> open_file(const std::string& path) {
  return base::open(path, O_WRONLY | O_APPEND | O_CREAT, 0640);
}

}  // namespace

void append_access_line(const AccessEntry& entry, base::LogFormat format, std::string& out) {
  format == base::LogFormat::json ? append_json_line(entry, out) : append_text_line(entry, out);
}

base::Result<AccessLog> AccessLog::open(std::string path, base::LogFormat format) {
  auto file = open_file(path);
  if (!file) return base::wrap(std::move(file.error()), "open the access log");
  AccessLog log(file->get(), format);
  log.path_ = std::move(path);
  log.file_ = std::move(*file);
  return log;
}

AccessLog::AccessLog(AccessLog&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      fd_(std::exchange(other.fd_, -1)),
      format_(other.format_),
      pattern_(other.pattern_),
      buffer_(std::exchange(other.buffer_, {})),
      dropped_(other.dropped_) {}

void AccessLog::add(const AccessEntry& entry) {
  if (fd_ < 0) return;
  if (buffer_.size() >= most_buffered) {
    ++dropped_;
    return;
  }
  if (pattern_)
    pattern_->append(entry, buffer_);
  else
    append_access_line(entry, format_, buffer_);
  if (buffer_.size() >= flush_at) flush();
}

void AccessLog::flush() {
  std::size_t written = 0;
  while (written < buffer_.size() && fd_ >= 0) {
    ssize_t n = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {  // a full disk or a reader that is gone: the lines are lost, the server goes on
      dropped_ += static_cast<std::uint64_t>(
          std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(written), buffer_.end(), '\n'));
      written = buffer_.size();
      break;
    }
    written += static_cast<std::size_t>(n);
  }
  buffer_.erase(0, written);
}

base::Result<void> AccessLog::reopen() {
  flush();
  if (path_.empty()) return {};
  auto file = open_file(path_);
  if (!file) return base::wrap(std::move(file.error()), "open the access log again");
  file_ = std::move(*file);
  fd_ = file_.get();
  return {};
}

}  // namespace http
