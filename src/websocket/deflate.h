// permessage-deflate (RFC 7692): what two ends agreed on, and the streams of one connection.
//
// A stream's memory is taken with its first message: about 2^(bits + 2) + 2^(bits + 2) bytes to compress, 2^bits to
// decompress, and 7 KiB each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct z_stream_s;

namespace websocket {

// Of one direction. Bits: the base-2 logarithm of the window, 9 to 15 (8 for decompressing).
struct DeflateStream {
  std::uint8_t bits = 15;
  bool keeps_context = true;  // false: every message begins anew (…_no_context_takeover)
};

struct DeflateAgreement {
  DeflateStream from_server, from_client;
};

class Compressor {
 public:
  explicit Compressor(DeflateStream stream) : stream_(stream) {}

  // Appends the payload of a whole message, without the four bytes at its end (section 7.2.1). False when there is no
  // memory; `out` is as it was then.
  bool compress(std::string_view message, std::string& out);
  // Gives the memory back. The next message begins anew, which every receiver understands.
  void release() { zlib_.reset(); }

 private:
  struct End {
    void operator()(z_stream_s* zlib) const;
  };
  bool begin();

  DeflateStream stream_;
  std::unique_ptr<z_stream_s, End> zlib_;
};

class Decompressor {
 public:
  enum class Outcome { fine, too_large, corrupt };

  explicit Decompressor(DeflateStream stream) : stream_(stream) {}

  // Appends what a piece of a message's payload expands to, until `into` would hold more than `limit` bytes.
  Outcome add(std::string_view piece, std::string& into, std::size_t limit);
  // The payload is whole: appends what is left of the message.
  Outcome finish(std::string& into, std::size_t limit);

 private:
  struct End {
    void operator()(z_stream_s* zlib) const;
  };
  bool begin();
  Outcome expand(std::string& into, std::size_t limit);

  DeflateStream stream_;
  std::unique_ptr<z_stream_s, End> zlib_;
  bool ended_ = false;  // all input ended with a final block (BFINAL, section 7.2.3.4); the stream was begun anew
};

}  // namespace websocket
