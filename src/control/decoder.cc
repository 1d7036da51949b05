#include "control/decoder.h"

#include <algorithm>

namespace control {
namespace {

std::size_t read_length(std::string_view bytes) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; i++) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return length;
}

}  // namespace

std::size_t Decoder::Frame::size() const { return bytes.size() < kLengthBytes ? 0 : kLengthBytes + read_length(bytes); }

// Appends what belongs to the frame; says how much that was.
base::Result<std::size_t> Decoder::fill(Frame& frame, std::string_view bytes) {
  std::size_t had = frame.bytes.size();
  frame.bytes += bytes.substr(0, had < kLengthBytes ? kLengthBytes - had : 0);
  if (frame.size() == 0) return frame.bytes.size() - had;
  if (frame.size() > kLengthBytes + kMaxMessageBytes) {
    return base::invalid("a control frame claims {} bytes; at most {} are allowed", frame.size() - kLengthBytes,
                         kMaxMessageBytes);
  }
  auto rest = bytes.substr(frame.bytes.size() - had);
  frame.bytes += rest.substr(0, frame.size() - frame.bytes.size());
  return frame.bytes.size() - had;
}

base::Result<void> Decoder::take(std::string_view bytes, std::vector<base::Fd> descriptors) {
  bool began = false;
  while (!bytes.empty()) {
    if (frames_.empty() || frames_.back().is_whole()) {
      frames_.emplace_back();
      began = true;
    }
    auto filled = fill(frames_.back(), bytes);
    if (!filled) return std::unexpected(filled.error());
    bytes.remove_prefix(*filled);
  }
  if (descriptors.empty()) return {};
  if (!began) return base::invalid("{} descriptors came inside a control frame", descriptors.size());
  frames_.back().descriptors = std::move(descriptors);
  return {};
}

base::Result<std::optional<Message>> Decoder::next() {
  if (frames_.empty() || !frames_.front().is_whole()) return std::nullopt;
  auto frame = std::move(frames_.front());
  frames_.pop_front();
  auto message = Message::parse(std::string_view(frame.bytes).substr(kLengthBytes));
  if (!message) return std::unexpected(message.error());
  message->descriptors = std::move(frame.descriptors);
  return message;
}

}  // namespace control
