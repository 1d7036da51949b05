// Whether bytes are UTF-8 (RFC 3629): whole, or as they come in pieces that may cut a character.
#pragma once

#include <cstdint>
#include <string_view>

namespace websocket {

bool is_utf8(std::string_view text);

class Utf8Check {
 public:
  // The next piece of the text. False as soon as no continuation can make it valid; then it stays so.
  bool add(std::string_view piece);
  // Whether the text may end here.
  bool is_complete() const { return left_ == 0; }
  void reset() { *this = Utf8Check(); }

 private:
  bool step(unsigned char byte);

  // Of a character that is not whole: how many bytes are missing, and the range of the next one.
  std::uint8_t left_ = 0, low_ = 0x80, high_ = 0xbf;
  bool failed_ = false;
};

}  // namespace websocket
