#include "base/byte_json.h"

#include <nlohmann/json.hpp>

namespace base {
namespace {

using nlohmann::json;

unsigned char at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

bool continues(std::string_view text, std::size_t i) { return i < text.size() && (at(text, i) & 0xC0) == 0x80; }

// The length of the character at the beginning, 0 when it is none (RFC 3629: no overlong forms, no surrogates, nothing
// beyond U+10FFFF).
std::size_t character_length(std::string_view text) {
  unsigned char first = at(text, 0);
  if (first < 0x80) return 1;
  std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t i = 1; i < length; i++)
    if (!continues(text, i)) return 0;
  unsigned char second = at(text, 1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

// U+F780 to U+F7FF are EF 9E 80 to EF 9F BF.
bool is_escape(std::string_view text) {
  return text.size() >= 3 && at(text, 0) == 0xEF && (at(text, 1) == 0x9E || at(text, 1) == 0x9F) && continues(text, 2);
}

void escape(unsigned char byte, std::string& out) {
  out += '\xEF';
  out += static_cast<char>(0x9C | (byte >> 6));
  out += static_cast<char>(0x80 | (byte & 0x3F));
}

void convert(json& value, std::string (*change)(std::string_view)) {
  if (value.is_string()) value = change(value.get_ref<const std::string&>());
  if (value.is_structured())
    for (auto& item : value) convert(item, change);
}

}  // namespace

std::string text_of_bytes(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    auto length = is_escape(bytes) ? 0 : character_length(bytes);
    if (length == 0) escape(at(bytes, 0), text);
    text += bytes.substr(0, length);
    bytes.remove_prefix(length ? length : 1);
  }
  return text;
}

std::string bytes_of_text(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (is_escape(text)) {
      bytes += static_cast<char>((at(text, 1) & 0x03) << 6 | (at(text, 2) & 0x3F));
      text.remove_prefix(3);
    } else {
      bytes += text.front();
      text.remove_prefix(1);
    }
  }
  return bytes;
}

std::string dump_byte_json(json value, int indent) {
  convert(value, &text_of_bytes);
  return value.dump(indent);
}

json parse_byte_json(std::string_view text) {
  auto value = json::parse(text);
  convert(value, &bytes_of_text);
  return value;
}

}  // namespace base
