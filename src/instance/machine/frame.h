// instance::Frame: what travels between a virtual machine's host side and its guest, over one virtio-serial port:
// control messages and any number of byte streams.
//
// On the wire a frame is a 32-bit little-endian stream number, a 24-bit little-endian length, one byte for the kind,
// and that many bytes. Streams are numbered by the host side, from 1 on; messages are on none. Neither side trusts the
// other: a frame that is not as it must be ends the conversation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace instance {

enum class FrameKind : std::uint8_t {
  message,  // JSON, stream 0
  open,     // host to guest: a visitor came; the payload names the guest's socket
  data,
  end,     // no more data from this side
  credit,  // 32-bit little-endian: so many more bytes may come
  reset,   // the stream is gone, both ways
};

struct Frame {
  FrameKind kind = FrameKind::message;
  std::uint32_t stream = 0;
  std::string payload;
};

constexpr std::size_t kFrameHeader = 8;
constexpr std::size_t kMaxFrameData = 32 << 10;    // of any kind but a message
constexpr std::size_t kMaxFrameMessage = 4 << 20;  // as much as a control message may have

// `payload` is not longer than its kind may be.
std::string encode_frame(FrameKind kind, std::uint32_t stream, std::string_view payload);
std::string encode_credit(std::uint32_t stream, std::uint32_t bytes);
// Of FrameKind::credit.
base::Result<std::uint32_t> decode_credit(const Frame& frame);

class FrameDecoder {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame; empty when more bytes are needed. An error stays.
  base::Result<std::optional<Frame>> next();

 private:
  std::string buffer_;
  std::size_t taken_ = 0;  // of the buffer
};

}  // namespace instance
