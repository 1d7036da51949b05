// http::h2::FrameScan: where each frame of a connection begins and what its header says, so that a frame can be judged
// before nghttp2 gets it, which leaves out some checks: see ServerCodec::check_place.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/codec.h"

namespace http::h2 {

struct FrameHeader {
  std::uint32_t length = 0;
  std::uint8_t type = 0;
  StreamId stream = 0;
  StreamId dependency = 0;  // of a PRIORITY frame that is long enough to have one
};

class FrameScan {
 public:
  // How many of the connection's next bytes, its preface first, belong to one frame: up to its end, or all of them.
  std::size_t next(std::string_view input);
  // The frame whose header was completed by these bytes, if one was.
  const std::optional<FrameHeader>& begun() const { return begun_; }

 private:
  static constexpr std::size_t preface_size = 24, header_size = 9, dependency_size = 4;

  std::size_t wanted() const;

  std::uint64_t skip_ = preface_size;  // bytes of no interest
  unsigned char bytes_[header_size + dependency_size] = {};
  std::size_t have_ = 0;  // of bytes_
  std::optional<FrameHeader> begun_;
};

}  // namespace http::h2
