#include "instance/machine/frame.h"

namespace instance {
namespace {

constexpr std::size_t kCreditBytes = 4;
constexpr std::size_t kTidyAbove = 1 << 20;  // of taken bytes in the decoder's buffer

void append_little_endian(std::string& to, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) to += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); i++)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

base::Result<void> check(FrameKind kind, std::uint32_t stream, std::size_t length) {
  if (kind > FrameKind::reset) return base::invalid("a frame of unknown kind {}", static_cast<int>(kind));
  if ((kind == FrameKind::message) != (stream == 0))
    return base::invalid("a frame of kind {} on stream {}", static_cast<int>(kind), stream);
  if (length > (kind == FrameKind::message ? kMaxFrameMessage : kMaxFrameData))
    return base::invalid("a frame of kind {} with {} bytes", static_cast<int>(kind), length);
  return {};
}

}  // namespace

std::string encode_frame(FrameKind kind, std::uint32_t stream, std::string_view payload) {
  std::string frame;
  frame.reserve(kFrameHeader + payload.size());
  append_little_endian(frame, stream, 4);
  append_little_endian(frame, static_cast<std::uint32_t>(payload.size()), 3);
  frame += static_cast<char>(kind);
  frame += payload;
  return frame;
}

std::string encode_credit(std::uint32_t stream, std::uint32_t bytes) {
  std::string payload;
  append_little_endian(payload, bytes, kCreditBytes);
  return encode_frame(FrameKind::credit, stream, payload);
}

base::Result<std::uint32_t> decode_credit(const Frame& frame) {
  if (frame.payload.size() != kCreditBytes) return base::invalid("credit of {} bytes", frame.payload.size());
  return little_endian(frame.payload);
}

base::Result<std::optional<Frame>> FrameDecoder::next() {
  auto rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < kFrameHeader) return std::optional<Frame>();
  auto stream = little_endian(rest.substr(0, 4));
  auto length = little_endian(rest.substr(4, 3));
  auto kind = static_cast<FrameKind>(rest[7]);
  if (auto good = check(kind, stream, length); !good) return std::unexpected(good.error());
  if (rest.size() < kFrameHeader + length) return std::optional<Frame>();
  Frame frame{.kind = kind, .stream = stream, .payload = std::string(rest.substr(kFrameHeader, length))};
  taken_ += kFrameHeader + length;
  if (taken_ == buffer_.size() || taken_ > kTidyAbove) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  return std::optional(std::move(frame));
}

}  // namespace instance
