// The values a setting can have, and their text forms with units.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace app {

// One entry of [env].
struct Variable {
  enum class Kind { plain, generate, required } kind = Kind::plain;
  std::string value;         // plain
  std::uint32_t length = 0;  // generate: characters
};

struct Bytes {
  std::uint64_t count = 0;
};

// The "auto" of Type::count is the text "auto".
using Value = std::variant<std::string, std::int64_t, double, std::chrono::milliseconds, Bytes,
                           std::vector<std::string>, Variable>;

// As it would be written in serai.toml: "30s", ["a", "b"]; plain text stands without quotes.
std::string to_text(const Value& value);

// "500ms", "30s", "5m", "1h", "2d"; a number needs its unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string duration_text(std::chrono::milliseconds duration);
// "512KiB", "32MiB", "1GiB" (1024), "1kB", "64MB", "1GB" (1000), "100B".
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes);

}  // namespace app
