#include "http/date.h"

#include <algorithm>
#include <cstring>

namespace http {
namespace {

constexpr std::string_view date_label = "date: ";
constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void two_digits(char* into, int value) {
  into[0] = static_cast<char>('0' + value / 10);
  into[1] = static_cast<char>('0' + value % 10);
}

// Reads one date by a pattern in which letters stand for fields; see parse_date. Literal characters must match.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool matches(std::string_view pattern) {
    return std::all_of(pattern.begin(), pattern.end(), [this](char part) { return read(part); }) && text_.empty();
  }
  std::optional<std::time_t> time() {
    if (fields_.tm_mday < 1 || fields_.tm_hour > 23 || fields_.tm_min > 59 || fields_.tm_sec > 60) return {};
    std::tm asked = fields_;
    std::time_t when = ::timegm(&fields_);
    if (fields_.tm_mon != asked.tm_mon && asked.tm_sec < 60) return {};  // the 31st of a shorter month
    return when;
  }

 private:
  bool read(char part) {
    switch (part) {
      case 'w':
        return skip_weekday(3);
      case 'W':
        return skip_weekday(9);
      case 'm':
        return month();
      case 'd':
        return number(2, fields_.tm_mday);
      case 'e':
        return text_.starts_with(' ') ? (text_.remove_prefix(1), number(1, fields_.tm_mday))
                                      : number(2, fields_.tm_mday);
      case 'H':
        return number(2, fields_.tm_hour);
      case 'M':
        return number(2, fields_.tm_min);
      case 'S':
        return number(2, fields_.tm_sec);
      case 'Y':
        return number(4, fields_.tm_year) && (fields_.tm_year -= 1900, true);
      case 'y':
        return number(2, fields_.tm_year) && (fields_.tm_year += fields_.tm_year < 70 ? 100 : 0, true);
      case 'Z':
        return literal('G') && literal('M') && literal('T');
      default:
        return literal(part);
    }
  }
  bool literal(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  // The day of the week adds nothing to the date; only its shape is looked at.
  bool skip_weekday(std::size_t most) {
    std::size_t length = 0;
    while (length < text_.size() && length < most && text_[length] != ',' && text_[length] != ' ') ++length;
    text_.remove_prefix(length);
    return length >= 3;
  }
  bool month() {
    auto found =
        std::find_if(std::begin(months), std::end(months), [this](auto name) { return text_.starts_with(name); });
    if (found == std::end(months)) return false;
    fields_.tm_mon = static_cast<int>(found - std::begin(months));
    text_.remove_prefix(3);
    return true;
  }
  bool number(std::size_t digits, int& value) {
    if (text_.size() < digits) return false;
    value = 0;
    for (char c : text_.substr(0, digits)) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(digits);
    return true;
  }

  std::string_view text_;
  std::tm fields_{};
};

}  // namespace

void format_date(std::time_t when, char* into) {
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  int year = std::clamp(parts.tm_year + 1900, 0, 9999);
  std::memcpy(into, "Sun, 06 Nov 1994 08:49:37 GMT", date_length);
  std::memcpy(into, days[parts.tm_wday], 3);
  two_digits(into + 5, parts.tm_mday);
  std::memcpy(into + 8, months[parts.tm_mon], 3);
  two_digits(into + 12, year / 100);
  two_digits(into + 14, year % 100);
  two_digits(into + 17, parts.tm_hour);
  two_digits(into + 20, parts.tm_min);
  two_digits(into + 23, parts.tm_sec);
}

std::string_view current_date_line() {
  thread_local std::time_t second = -1;
  thread_local char line[] = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != second) {
    second = now.tv_sec;
    format_date(second, line + date_label.size());
  }
  return {line, sizeof line - 1};
}

std::string_view current_date() { return current_date_line().substr(date_label.size(), date_length); }

std::optional<std::time_t> parse_date(std::string_view text) {
  // IMF-fixdate, RFC 850, asctime: the three forms of RFC 9110 section 5.6.7.
  for (std::string_view pattern : {"w, d m Y H:M:S Z", "W, d-m-y H:M:S Z", "w m e H:M:S Y"}) {
    Reader reader(text);
    if (reader.matches(pattern)) return reader.time();
  }
  return {};
}

}  // namespace http
