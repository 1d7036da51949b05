// Dates as HTTP writes them (IMF-fixdate, RFC 9110 section 5.6.7), and the current one cached per second and thread.
#pragma once

#include <ctime>
#include <optional>
#include <string_view>

namespace http {

inline constexpr std::size_t date_length = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes exactly date_length bytes, no terminator. Years outside 0…9999 are clamped.
void format_date(std::time_t when, char* into);
// Now; the view is the thread's and is rewritten when the second changes.
std::string_view current_date();
// The same as a line of a head: "date: …" with its line end.
std::string_view current_date_line();
// All three forms of RFC 9110 (IMF-fixdate, RFC 850, asctime); empty for anything else.
std::optional<std::time_t> parse_date(std::string_view text);

}  // namespace http
