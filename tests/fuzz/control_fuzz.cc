// Control frames: however they are cut, the same messages come out, and each can be sent on.
#include <nlohmann/json.hpp>

#include "control/decoder.h"
#include "support.h"

namespace {

using control::Decoder;
using control::Hello;
using control::Message;

std::string describe(const Message& message) {
  auto hello = Hello::from_message(message);
  auto frame = message.encode();
  fuzz::require(frame.has_value(), "a message that was read can be written");
  Decoder decoder;
  fuzz::require(decoder.take(*frame).has_value(), "a frame that was written can be read");
  auto again = decoder.next();
  fuzz::require(again && *again && (*again)->body() == message.body(), "a message is read as it was written");
  return message.body().dump() + (hello ? " hello from " + hello->role : "") + "\n";
}

// The messages that come out of `input` in pieces, and how it ends. What came whole before a mistake is there.
std::string read(std::string_view input, std::size_t piece) {
  Decoder decoder;
  std::string seen;
  while (!input.empty()) {
    auto taken = decoder.take(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    for (;;) {
      auto message = decoder.next();
      if (!message) return seen + control::error_message(message.error()).body().dump();
      if (!*message) break;
      seen += describe(**message);
    }
    if (!taken) return seen + taken.error().describe();
  }
  return seen + (decoder.is_at_boundary() ? "whole" : "cut");
}

// Descriptors that come at some byte belong to the frame that begins there, or are refused.
void give_descriptors(std::string_view input, std::size_t at) {
  Decoder decoder;
  at = std::min(at, input.size());
  if (!decoder.take(input.substr(0, at))) return;
  std::vector<base::Fd> descriptors(2);
  bool border = decoder.is_at_boundary();
  bool taken = decoder.take(input.substr(at), std::move(descriptors)).has_value();
  if (border && !taken) return;
  for (auto message = decoder.next(); message && *message; message = decoder.next()) {
    auto count = (*message)->descriptors.size();
    fuzz::require(count == 0 || count == 2, "descriptors stay together");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::size_t piece = static_cast<unsigned char>(input[0]);
  input.remove_prefix(1);
  auto whole = read(input, input.size() + 1);
  fuzz::require(read(input, 1) == whole, "bytes one by one read as the whole");
  if (piece > 1) fuzz::require(read(input, piece) == whole, "pieces read as the whole");
  give_descriptors(input, piece);
  return 0;
}
