// http::h1::BodyReader: finds the pieces and the end of one body: by length, by chunks or by the end of the connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/codec.h"

namespace http::h1 {

class BodyReader {
 public:
  explicit BodyReader(const Limits& limits) : limits_(limits), limit_(limits.body_bytes) {}

  // The body that follows a head.
  void begin(Framing framing, std::uint64_t length);
  // need_input, body, end or failed. Framing bytes are consumed as they come, so every call moves on.
  Event next(std::string_view input);
  // The connection ended: true when that is where the body ends.
  bool ends_with_connection() const { return framing_ == Framing::until_close; }
  // Bytes of content, without framing; also for what is left of this body.
  void set_limit(std::uint64_t bytes) { limit_ = bytes; }
  std::uint64_t limit() const { return limit_; }
  const Problem& problem() const { return problem_; }
  // From now on the lines of trailers are kept, for `trailer_lines` after the end. Otherwise they are forgotten.
  void keep_trailers() { keeps_trailers_ = true; }
  std::string_view trailer_lines() const { return trailer_lines_; }

 private:
  // One chunk: size, extension, line end, data, line end; then trailers until an empty line.
  enum class Chunk : std::uint8_t {
    size_first,
    size,
    size_space,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,
    done
  };

  Event next_of_length(std::string_view input);
  Event next_of_chunks(std::string_view input);
  Event take(std::string_view input, std::size_t from, std::uint64_t available);
  bool step(char byte);
  bool add_digit(char byte);
  bool begin_chunk();
  bool step_trailer(char byte);
  bool fits(std::uint64_t more);
  bool fail(int status, std::string_view reason);
  Event failed();

  Limits limits_;
  std::uint64_t limit_;
  std::uint64_t received_ = 0;  // content so far
  std::uint64_t left_ = 0;      // of the length, or of the chunk
  std::uint32_t extra_ = 0;     // bytes of this chunk's extension, or of the trailers
  Framing framing_ = Framing::none;
  Chunk chunk_ = Chunk::size_first;
  Problem problem_;
  bool keeps_trailers_ = false;
  std::string trailer_lines_;  // checked, each with its line end, and the empty one
};

}  // namespace http::h1
