// websocket::Reader: finds messages and control frames in the bytes of one connection, without I/O.
//
//   next ──► need_input | text | binary | ping | pong ──► next …
//        └─► close | failed: the last event; what comes afterwards is used up unseen
//
// Reading is pulled, as with http::ServerCodec: every event, need_input too, says how many bytes it used up; the owner
// drops them and asks again. A message that lies in the input as one whole frame is given where it lies, still masked,
// so that it is copied once, to where it is wanted. All others are gathered, checked and expanded as they come: what
// is not UTF-8 or too large fails at its first wrong byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "websocket/close.h"
#include "websocket/deflate.h"
#include "websocket/frame.h"
#include "websocket/mask.h"
#include "websocket/utf8.h"

namespace websocket {

struct Event {
  enum class Kind : std::uint8_t { need_input, text, binary, ping, pong, close, failed };
  Kind kind = Kind::need_input;
  std::size_t consumed = 0;
  // Of a message or a control frame; the reason of a Close or a failure. Valid until the input moves or `next`.
  std::string_view payload;
  MaskKey key = 0;      // messages: still to be applied to the payload (copy_masked)
  bool checked = true;  // text: whether it is known to be UTF-8
  // close: what the peer gave, or close::no_code. failed: what to close with.
  CloseCode code = 0;
};

class Reader {
 public:
  // `role`: whose end this is. `message_limit`: bytes of a message after decompression, 1009 beyond.
  // `deflate`: of the other end's messages, when it was agreed on.
  Reader(Role role, std::size_t message_limit, std::optional<DeflateStream> deflate = {});

  Event next(std::string_view input);
  // Whether a message has been begun but not ended.
  bool in_message() const { return in_message_; }

 private:
  struct Frame {
    Opcode opcode = Opcode::continuation;
    bool fin = false, compressed = false;
    std::uint8_t header = 0;  // bytes
    MaskKey key = 0;
    std::uint64_t length = 0;
  };
  enum class Parsed { whole, partial, wrong };

  Parsed parse_header(std::string_view input, Frame& frame);
  bool is_in_order(const Frame& frame, std::uint8_t reserved);
  Event read_control(const Frame& frame, std::string_view payload);
  Event read_close(const Frame& frame, std::string_view payload);
  bool begin_frame(const Frame& frame);
  bool add_piece(std::string_view piece);
  bool add_compressed(std::string_view piece);
  bool check_text(std::size_t from);
  bool settle(Decompressor::Outcome outcome);
  Event end_message();
  bool fail(CloseCode code, std::string_view reason);
  Event failed(std::size_t consumed);

  const Role role_;
  const std::size_t limit_;
  std::optional<Decompressor> decompressor_;
  Frame frame_;              // whose payload is being read
  std::uint64_t taken_ = 0;  // of it
  bool in_frame_ = false;
  bool in_message_ = false, is_text_ = false, is_compressed_ = false;
  bool delivered_ = false;  // message_ was given out: it is free at the next call
  bool over_ = false;
  Utf8Check utf8_;
  std::string message_;
  char control_[most_control_bytes];
  CloseCode code_ = 0;
  std::string_view reason_;
};

}  // namespace websocket
