#include "http/range.h"

#include <algorithm>

#include "http/header.h"

namespace http {
namespace {

// Digits only; a number that does not fit is as good as the largest one.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (text.empty()) return {};
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return {};
    bool fits = !__builtin_mul_overflow(value, 10u, &value) &&
                !__builtin_add_overflow(value, static_cast<unsigned>(c - '0'), &value);
    if (!fits) value = UINT64_MAX / 16;  // stays huge, whatever follows
  }
  return value;
}

RangeAnswer suffix(std::uint64_t length, std::uint64_t size) {
  if (length == 0 || size == 0) return {RangeKind::unsatisfiable, {}};
  length = std::min(length, size);
  return {RangeKind::part, {size - length, length}};
}

}  // namespace

RangeAnswer parse_range(std::string_view value, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!equal_ignoring_case(value.substr(0, unit.size()), unit)) return {};
  value.remove_prefix(unit.size());
  std::size_t dash = value.find('-');
  if (dash == std::string_view::npos) return {};
  std::string_view first_text = value.substr(0, dash), last_text = value.substr(dash + 1);
  auto first = parse_position(first_text), last = parse_position(last_text);
  if (first_text.empty()) return last ? suffix(*last, size) : RangeAnswer{};
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) return {};
  if (*first >= size) return {RangeKind::unsatisfiable, {}};
  std::uint64_t end = last ? std::min(*last, size - 1) + 1 : size;
  return {RangeKind::part, {*first, end - *first}};
}

}  // namespace http
