// Small text helpers of this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace app {

std::string_view trim(std::string_view text);
// Without line ends ("\n" or "\r\n"); a last line without one counts.
std::vector<std::string_view> split_lines(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
// By white space; no empty parts.
std::vector<std::string_view> split_words(std::string_view text);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string to_lower(std::string_view text);
std::string replace_all(std::string text, std::string_view from, std::string_view to);
// A whole decimal number, nothing else around it.
bool parse_number(std::string_view text, long long& into);
bool parse_number(std::string_view text, double& into);

// Insertions, deletions, replacements and swaps of neighbours between two words.
std::size_t edit_distance(std::string_view a, std::string_view b);
// The nearest of the candidates when it is near enough to be a slip of the keyboard; empty otherwise.
std::string nearest(std::string_view wrong, std::span<const std::string> candidates);

// "a/b/../c" → "a/c", "./a" → "a", "" for the folder itself; false when it is absolute or leaves the folder.
bool normalize_inside(std::string_view path, std::string& into);

}  // namespace app
