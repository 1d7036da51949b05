#include "http/accept_encoding.h"

#include <algorithm>

#include "http/header.h"

namespace http {
namespace {

std::string_view trim(std::string_view text) {
  std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// qvalue: "0" or "1" with up to three decimals; anything else counts as not acceptable.
int parse_quality(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  int thousandths = (text[0] - '0') * 1000, place = 100;
  for (char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return 0;
    thousandths += (c - '0') * place;
    place /= 10;
  }
  return std::min(thousandths, 1000);
}

int quality_of(std::string_view parameters) {
  if (parameters.empty()) return 1000;
  std::string_view weight = trim(parameters);
  if (!weight.starts_with("q=") && !weight.starts_with("Q=")) return 0;
  return parse_quality(weight.substr(2));
}

}  // namespace

Acceptable parse_accept_encoding(std::string_view value) {
  int br = -1, zstd = -1, gzip = -1, others = 0;
  for_each_token(value, [&](std::string_view element) {
    std::size_t semicolon = std::min(element.find(';'), element.size());
    std::string_view name = trim(element.substr(0, semicolon));
    int quality = quality_of(element.substr(std::min(semicolon + 1, element.size())));
    if (equal_ignoring_case(name, "br")) br = quality;
    if (equal_ignoring_case(name, "zstd")) zstd = quality;
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) gzip = quality;
    if (name == "*") others = quality;
  });
  auto settled = [others](int quality) { return quality < 0 ? others : quality; };
  return {settled(br), settled(zstd), settled(gzip)};
}

}  // namespace http
