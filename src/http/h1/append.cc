#include "http/h1/append.h"

#include "http/h1/scan.h"

namespace http::h1 {

std::string quoted(std::string_view text) {
  constexpr std::size_t most = 60;
  std::string result = "\"";
  for (char c : text.substr(0, most)) result += is_control(c) ? '?' : c;
  result += text.size() > most ? "…\"" : "\"";
  return result;
}

}  // namespace http::h1
