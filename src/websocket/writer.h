// websocket::Writer: messages and control frames as bytes, appended to a string, without I/O.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "websocket/close.h"
#include "websocket/deflate.h"
#include "websocket/frame.h"
#include "websocket/mask.h"

namespace websocket {

class Writer {
 public:
  // `deflate`: of this end's messages, when it was agreed on.
  explicit Writer(Role role, std::optional<DeflateStream> deflate = {});
  ~Writer();

  // A whole message in one frame. `kind` is text, whose payload must be UTF-8, or binary. Compressed when that was
  // agreed on and the message is long enough to gain.
  void message(Opcode kind, std::string_view payload, std::string& out);
  // Only the frame's header, for a payload that is sent from where it lies; false, and nothing written, when this
  // message must be written by `message`.
  bool begin_message(Opcode kind, std::size_t size, std::string& out);
  // Ping or Pong; at most most_control_bytes.
  void control(Opcode kind, std::string_view payload, std::string& out);
  // `code` must be one that may_be_sent, or close::no_code for a frame without one. The reason is cut to what fits, at
  // a character. Nothing may be written afterwards.
  void close(CloseCode code, std::string_view reason, std::string& out);
  // Gives back what compression holds, until the next message.
  void release_memory();

 private:
  class KeySource;
  void frame(std::uint8_t first, std::string_view payload, std::string& out);
  bool is_compressed(std::size_t size) const;

  std::optional<Compressor> compressor_;
  std::string compressed_;
  std::unique_ptr<KeySource> keys_;  // of a client
};

}  // namespace websocket
