// Frames between a virtual machine's host side and its guest: however they are cut, the same come out, and each is read
// as it was written.
#include "instance/machine/frame.h"
#include "support.h"

namespace {

using instance::Frame;
using instance::FrameDecoder;

std::string read(std::string_view input, std::size_t piece) {
  FrameDecoder decoder;
  std::string seen;
  while (!input.empty()) {
    decoder.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    for (;;) {
      auto frame = decoder.next();
      if (!frame) return seen + "refused";
      if (!*frame) break;
      auto bytes = instance::encode_frame((*frame)->kind, (*frame)->stream, (*frame)->payload);
      FrameDecoder again;
      again.feed(bytes);
      auto copy = again.next();
      fuzz::require(copy && *copy && (*copy)->payload == (*frame)->payload, "a frame is read as it was written");
      (void)instance::decode_credit(**frame);
      seen += bytes;
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::size_t piece = static_cast<unsigned char>(input[0]) + 1;
  input.remove_prefix(1);
  auto whole = read(input, input.size() + 1);
  fuzz::require(read(input, 1) == whole, "bytes one by one read as the whole");
  fuzz::require(read(input, piece) == whole, "pieces read as the whole");
  return 0;
}
