#include "cli/printable.h"

#include <fmt/format.h>

namespace cli {
namespace {

constexpr std::string_view kColourBegins = "\x1b[";
constexpr std::string_view kColoursEnd = "\x1b[0m";

// The length of the colour that the text begins with; 0 if it begins with none.
std::size_t colour(std::string_view text) {
  if (!text.starts_with(kColourBegins)) return 0;
  auto end = text.find_first_not_of("0123456789;:", kColourBegins.size());
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

// C1 controls, which terminals take for ESC and a letter, are U+0080 to U+009F: two bytes in UTF-8.
bool is_c1(std::string_view text) {
  return text.size() >= 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;
}

std::string visible(char control) {
  if (control == '\r') return "\\r";
  if (control == '\n') return "\\n";
  return fmt::format("\\x{:02x}", static_cast<unsigned char>(control));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  bool coloured = false;
  while (!text.empty()) {
    std::size_t taken = 1;
    if (auto length = colour(text); length > 0) {
      result += text.substr(0, taken = length);
      coloured = true;
    } else if (is_c1(text)) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[1]));
      taken = 2;
    } else if ((static_cast<unsigned char>(text[0]) < 0x20 && text[0] != '\t') || text[0] == '\x7f') {
      result += visible(text[0]);
    } else {
      result += text[0];
    }
    text.remove_prefix(taken);
  }
  return coloured ? result + std::string(kColoursEnd) : result;
}

std::string printable_lines(std::string_view text) {
  std::string result;
  for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    result += printable(text.substr(0, end)) + '\n';
    text.remove_prefix(end + 1);
  }
  return result + printable(text);
}

}  // namespace cli
