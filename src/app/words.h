// Reading JSON strictly: enumerations as words (a table of names in the order of the values), whole numbers that fit.
// Internal to this folder's sources, since it needs all of nlohmann/json.hpp.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace app {

template <typename Enum, std::size_t Count>
std::string_view name_of(Enum value, const std::array<std::string_view, Count>& names) {
  return names.at(static_cast<std::size_t>(value));
}
// Throws nlohmann::json::exception for a word that is none.
template <typename Enum, std::size_t Count>
Enum value_of(const nlohmann::json& word, const std::array<std::string_view, Count>& names) {
  const auto& name = word.get_ref<const std::string&>();
  for (std::size_t i = 0; i < Count; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  throw nlohmann::json::other_error::create(501, "unknown word " + name, nullptr);
}

// Throws nlohmann::json::exception for a fraction, and for a number that the type cannot hold.
template <typename Whole>
Whole whole(const nlohmann::json& number) {
  using nlohmann::json;
  bool fits = number.is_number_unsigned()
                  ? std::in_range<Whole>(number.get<std::uint64_t>())
                  : number.is_number_integer() && std::in_range<Whole>(number.get<std::int64_t>());
  if (!fits) throw json::other_error::create(501, "no whole number that fits: " + number.dump(), nullptr);
  return number.get<Whole>();
}

}  // namespace app
