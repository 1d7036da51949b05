#include "http/header.h"

namespace http {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// A perfect hash over length, first and last two characters, found by the compiler. Setting bit 0x20 folds the case
// of letters and leaves "-" alone, which is all that known names are made of.
constexpr std::size_t slots = 1024;
constexpr std::uint32_t slot_of(std::string_view name, std::uint32_t factor) {
  auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i]) | 0x20); };
  std::uint32_t key =
      static_cast<std::uint32_t>(name.size()) << 24 | at(0) << 16 | at(name.size() - 2) << 8 | at(name.size() - 1);
  return (key * factor) >> 22;
}

constexpr bool is_perfect(std::uint32_t factor) {
  std::array<bool, slots> taken{};
  for (std::size_t id = 1; id < header_names.size(); ++id) {
    bool& slot = taken[slot_of(header_names[id], factor)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

consteval std::uint32_t find_factor() {
  std::uint32_t factor = 0x9E3779B1;
  while (!is_perfect(factor)) factor += 2;
  return factor;
}

constexpr std::uint32_t factor = find_factor();

consteval std::array<HeaderId, slots> fill_slots() {
  std::array<HeaderId, slots> table{};
  for (std::size_t id = 1; id < header_names.size(); ++id) {
    table[slot_of(header_names[id], factor)] = static_cast<HeaderId>(id);
  }
  return table;
}

constexpr auto table = fill_slots();
constexpr std::size_t longest_name = 25;  // upgrade-insecure-requests

}  // namespace

HeaderId find_header_id(std::string_view name) {
  if (name.size() < 2 || name.size() > longest_name) return HeaderId::other;
  HeaderId id = table[slot_of(name, factor)];
  return matches(name, header_name(id)) ? id : HeaderId::other;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

const Header* find_header(std::span<const Header> headers, HeaderId id) {
  for (const Header& header : headers) {
    if (header.id == id) return &header;
  }
  return nullptr;
}

const Header* find_header(std::span<const Header> headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) return &header;
  }
  return nullptr;
}

}  // namespace http
