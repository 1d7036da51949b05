#include "base/log.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace base {
namespace {

std::atomic<LogFormat> format{LogFormat::text};
std::atomic<Level> least{Level::info};

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "?";
}

std::string timestamp() {
  auto now = std::chrono::system_clock::now();
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

// A line of text must stay one line, whatever a field holds.
std::string on_one_line(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\n')
      result += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += '?';
    else
      result += c;
  }
  return result;
}

std::string as_json(Level level, std::string_view event, std::initializer_list<Field> fields,
                    std::string_view sentence) {
  nlohmann::ordered_json line{
      {"time", timestamp()}, {"level", name_of(level)}, {"event", event}, {"message", sentence}};
  for (const auto& field : fields) std::visit([&](const auto& v) { line[std::string(field.name)] = v; }, field.value);
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_text(Level level, std::string_view event, std::initializer_list<Field> fields,
                    std::string_view sentence) {
  std::string line = fmt::format("{} {:7} {}  {}", timestamp(), name_of(level), event, on_one_line(sentence));
  for (const auto& field : fields) {
    std::visit([&](const auto& v) { line += on_one_line(fmt::format("  {}={}", field.name, v)); }, field.value);
  }
  return line + "\n";
}

}  // namespace

void set_log_format(LogFormat chosen) { format = chosen; }
void set_log_level(Level chosen) { least = chosen; }

void log(Level level, std::string_view event, std::initializer_list<Field> fields, std::string_view sentence) {
  if (level < least.load(std::memory_order_relaxed)) return;
  auto line =
      format == LogFormat::json ? as_json(level, event, fields, sentence) : as_text(level, event, fields, sentence);
  (void)write_all(STDERR_FILENO, line);  // one write, so lines of several threads do not mix
}

}  // namespace base
