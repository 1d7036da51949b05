#include "app/value.h"

#include <fmt/core.h>

#include <array>
#include <limits>

#include "app/text.h"

namespace app {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// Largest first, so that formatting finds the shortest exact form; in each table a unit's name is unique.
constexpr std::array<Unit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 7> size_units{{{"GiB", 1ull << 30},
                                          {"GB", 1'000'000'000},
                                          {"MiB", 1ull << 20},
                                          {"MB", 1'000'000},
                                          {"KiB", 1ull << 10},
                                          {"kB", 1000},
                                          {"B", 1}}};

template <std::size_t Count>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, Count>& units) {
  auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number;
  if (!parse_number(text.substr(0, digits), number)) return {};
  for (const auto& unit : units) {
    double value = number * static_cast<double>(unit.factor);
    if (trim(text.substr(digits)) == unit.name && value < 9e18) return static_cast<std::uint64_t>(value);
  }
  return {};
}

template <std::size_t Count>
std::string with_unit(std::uint64_t value, const std::array<Unit, Count>& units) {
  for (const auto& unit : units) {
    if (value && value % unit.factor == 0) return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return fmt::format("0{}", units.back().name);
}

std::string variable_text(const Variable& variable) {
  switch (variable.kind) {
    case Variable::Kind::generate:
      return fmt::format("{{ generate = {} }}", variable.length);
    case Variable::Kind::required:
      return "{ required = true }";
    case Variable::Kind::plain:
      break;
  }
  return variable.value;
}

std::string list_text(const std::vector<std::string>& list) {
  std::string text;
  for (const auto& item : list) text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", item);
  return "[" + text + "]";
}

template <typename... Callables>
struct Overloaded : Callables... {
  using Callables::operator()...;
};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  auto value = parse_with_unit(text, duration_units);
  if (!value) return {};
  return std::chrono::milliseconds(*value);
}
std::string duration_text(std::chrono::milliseconds duration) {
  return with_unit(static_cast<std::uint64_t>(duration.count()), duration_units);
}
std::optional<std::uint64_t> parse_size(std::string_view text) { return parse_with_unit(text, size_units); }
std::string size_text(std::uint64_t bytes) { return with_unit(bytes, size_units); }

std::string to_text(const Value& value) {
  return std::visit(Overloaded{
                        [](const std::string& text) { return text; },
                        [](std::int64_t number) { return fmt::format("{}", number); },
                        [](double number) { return fmt::format("{}", number); },
                        [](std::chrono::milliseconds duration) { return duration_text(duration); },
                        [](Bytes bytes) { return size_text(bytes.count); },
                        [](const std::vector<std::string>& list) { return list_text(list); },
                        [](const Variable& variable) { return variable_text(variable); },
                    },
                    value);
}

}  // namespace app
