#include "app/ignore.h"

#include <fmt/core.h>

#include "app/text.h"

namespace app {
namespace {

// A bracket expression at pattern[0] == '['. Its length, or 0 when it is not closed (then '[' is an ordinary
// character).
struct Bracket {
  std::size_t length = 0;
  bool matches = false;
};

Bracket match_bracket(std::string_view pattern, char c) {
  std::size_t at = 1;
  bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool matched = false;
  for (std::size_t first = at; at < pattern.size(); ++at) {
    if (pattern[at] == ']' && at > first) return {at + 1, matched != negated};
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    char low = pattern[at], high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      at += 2;
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      high = pattern[at];
    }
    matched = matched || (static_cast<unsigned char>(low) <= static_cast<unsigned char>(c) &&
                          static_cast<unsigned char>(c) <= static_cast<unsigned char>(high));
  }
  return {};
}

// One character of the text against the pattern's front; the pattern's length used, or 0.
std::size_t match_one(std::string_view pattern, char c) {
  if (pattern[0] == '?') return 1;
  if (pattern[0] == '[') {
    if (auto bracket = match_bracket(pattern, c); bracket.length) return bracket.matches ? bracket.length : 0;
  }
  if (pattern[0] == '\\' && pattern.size() > 1) return pattern[1] == c ? 2 : 0;
  return pattern[0] == c ? 1 : 0;
}

// The same walk serves characters and path components: on a mismatch, the latest star takes one more. That is enough,
// since an earlier star could not reach further than the later one can.
template <typename Pattern, typename Text, typename IsStar, typename Match>
bool match_with_stars(const Pattern& pattern, const Text& text, IsStar is_star, Match match) {
  std::size_t p = 0, t = 0, star = pattern.size(), taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && is_star(p)) {
      star = p++;
      taken = t;
      continue;
    }
    std::size_t used = p < pattern.size() ? match(p, t) : 0;
    if (used) {
      p += used;
      ++t;
    } else if (star < pattern.size()) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && is_star(p)) ++p;
  return p == pattern.size();
}

bool matches_parts(const IgnorePattern& pattern, const std::vector<std::string_view>& path) {
  const auto& parts = pattern.parts;
  if (!pattern.anchored) return matches_glob(parts[0], path.back());
  // "a/**" is everything inside a, not a itself.
  if (parts.size() > 1 && parts.back() == "**" && path.size() < parts.size()) {
    auto before = parts;
    before.pop_back();
    if (match_with_stars(
            before, path, [&](std::size_t p) { return before[p] == "**"; },
            [&](std::size_t p, std::size_t t) { return std::size_t{matches_glob(before[p], path[t])}; })) {
      return false;
    }
  }
  return match_with_stars(
      parts, path, [&](std::size_t p) { return parts[p] == "**"; },
      [&](std::size_t p, std::size_t t) { return std::size_t{matches_glob(parts[p], path[t])}; });
}

// Trailing blanks do not count unless escaped.
std::string_view without_trailing_blanks(std::string_view line) {
  while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
  return line;
}

std::optional<IgnorePattern> parse_pattern(std::string_view line, int number) {
  line = without_trailing_blanks(line);
  if (line.empty() || line.starts_with('#')) return {};
  IgnorePattern pattern;
  pattern.line = number;
  if (line.starts_with('!')) {
    pattern.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    pattern.folders_only = true;
    line.remove_suffix(1);
  }
  pattern.anchored = line.contains('/');
  for (auto part : split(line, '/')) {
    if (!part.empty()) pattern.parts.emplace_back(part);
  }
  if (pattern.parts.empty()) return {};
  return pattern;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  return match_with_stars(
      pattern, text, [&](std::size_t p) { return pattern[p] == '*'; },
      [&](std::size_t p, std::size_t t) { return match_one(pattern.substr(p), text[t]); });
}

IgnoreFile IgnoreFile::parse(std::string_view text, std::string folder, std::string name) {
  IgnoreFile file;
  file.folder_ = std::move(folder);
  file.name_ = std::move(name);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  int number = 0;
  for (auto line : split_lines(text)) {
    if (auto pattern = parse_pattern(line, ++number)) file.patterns_.push_back(std::move(*pattern));
  }
  return file;
}

std::optional<IgnoreFile::Verdict> IgnoreFile::judge(std::string_view path, bool is_folder) const {
  if (!folder_.empty()) {
    if (!path.starts_with(folder_) || path.size() <= folder_.size() || path[folder_.size()] != '/') return {};
    path.remove_prefix(folder_.size() + 1);
  }
  auto parts = split(path, '/');
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->folders_only && !is_folder) continue;
    if (matches_parts(*pattern, parts)) return Verdict{!pattern->negated, fmt::format("{}:{}", name_, pattern->line)};
  }
  return {};
}

}  // namespace app
