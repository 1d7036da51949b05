// http::h1::LineReader: the lines of a head, one after the other, from an input that may come in pieces and may move.
//
// A line ends with CR LF and holds no other control character; a line that is not whole yet is not scanned again from
// its beginning when more bytes have come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/h1/scan.h"

namespace http::h1 {

// A view of bytes that now lie `distance` further on.
inline void move_view(std::string_view& view, std::ptrdiff_t distance) {
  auto address = reinterpret_cast<std::intptr_t>(view.data()) + distance;
  view = {reinterpret_cast<const char*>(address), view.size()};
}

class LineReader {
 public:
  enum class Found { line, more, bad };  // bad: a bare CR or LF, or another control character

  void begin() { at_ = scanned_ = 0; }
  // By how much the bytes have moved since the last call; views into them must be moved before the next line.
  std::ptrdiff_t note_base(const char* base) {
    auto distance = reinterpret_cast<std::intptr_t>(base) - base_;
    base_ += distance;
    return distance;
  }
  Found next(std::string_view input, std::string_view& line) {
    const char *begin = input.data(), *end = begin + input.size();
    const char* stop = find_control(begin + scanned_, end);
    scanned_ = static_cast<std::size_t>(stop - begin);
    if (stop == end) return Found::more;
    if (*stop != '\r') return Found::bad;
    if (stop + 1 == end) return Found::more;
    if (stop[1] != '\n') return Found::bad;
    line = input.substr(at_, scanned_ - at_);
    at_ = scanned_ += 2;
    return Found::line;
  }
  std::size_t consumed() const { return at_; }        // whole lines
  std::size_t looked_at() const { return scanned_; }  // with the line that is not whole yet

 private:
  std::size_t at_ = 0;       // where the next line begins
  std::size_t scanned_ = 0;  // up to where it has been looked at
  std::intptr_t base_ = 0;
};

}  // namespace http::h1
