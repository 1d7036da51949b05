// Small helpers of the fuzz targets.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

// A property that must hold for every input.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

// Whether a path stays below the folder that it is relative to.
inline bool is_inside(std::string_view path) {
  return !path.starts_with('/') && !("/" + std::string(path) + "/").contains("/../");
}

// One input holds many records, separated by the ASCII record separator, so that a seed can list many cases.
template <typename Visit>
void for_each_record(const std::uint8_t* data, std::size_t size, Visit&& visit) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (;;) {
    std::size_t end = rest.find('\x1e');
    visit(rest.substr(0, end));
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
  }
}

// The part of a record up to the first line feed, which is taken off it.
inline std::string_view take_line(std::string_view& record) {
  std::size_t end = record.find('\n');
  std::string_view line = record.substr(0, end);
  record = end == std::string_view::npos ? std::string_view{} : record.substr(end + 1);
  return line;
}

}  // namespace fuzz
