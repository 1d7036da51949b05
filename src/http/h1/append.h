// Appending several pieces to a string with one growth, and numbers in digits without allocation.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace http::h1 {

inline std::string_view as_piece(std::string_view text) { return text; }
template <std::size_t N>
constexpr std::string_view as_piece(const char (&literal)[N]) {
  return {literal, N - 1};
}

inline void append_pieces(std::string& out, std::same_as<std::string_view> auto... pieces) {
  const std::size_t before = out.size();
  const std::size_t after = before + (pieces.size() + ...);
  if (after > out.capacity()) out.reserve(after + after / 2);
  out.resize_and_overwrite(after, [&](char* text, std::size_t size) {
    char* at = text + before;
    ((std::char_traits<char>::copy(at, pieces.data(), pieces.size()), at += pieces.size()), ...);
    return size;
  });
}

template <typename... Pieces>
inline void append(std::string& out, const Pieces&... pieces) {
  append_pieces(out, as_piece(pieces)...);
}

class Digits {
 public:
  explicit Digits(std::uint64_t number, int base = 10)
      : size_(static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, number, base).ptr - text_)) {}
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[24];
  std::size_t size_;
};

// For error messages: in quotes, cut short, control characters replaced.
std::string quoted(std::string_view text);

}  // namespace http::h1
