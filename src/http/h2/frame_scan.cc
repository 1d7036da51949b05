#include "http/h2/frame_scan.h"

#include <algorithm>
#include <cstring>

namespace http::h2 {
namespace {

constexpr unsigned char priority_type = 2;

std::uint32_t length_of(const unsigned char* header) {
  return std::uint32_t{header[0]} << 16 | std::uint32_t{header[1]} << 8 | header[2];
}

StreamId stream_at(const unsigned char* bytes) {
  return (std::uint32_t{bytes[0]} & 0x7f) << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

}  // namespace

// Of `bytes_`, as far as is known by now.
std::size_t FrameScan::wanted() const {
  if (have_ < header_size) return header_size;
  bool depends = bytes_[3] == priority_type && length_of(bytes_) >= dependency_size;
  return depends ? sizeof bytes_ : header_size;
}

std::size_t FrameScan::next(std::string_view input) {
  begun_.reset();
  std::size_t used = 0;
  auto skip = [&] {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, input.size() - used));
    skip_ -= count;
    used += count;
  };
  if (skip_ > 0) {
    skip();
    return used;
  }
  while (have_ < wanted()) {
    const std::size_t count = std::min(wanted() - have_, input.size() - used);
    if (count == 0) return used;
    std::memcpy(bytes_ + have_, input.data() + used, count);
    have_ += count;
    used += count;
  }
  begun_ = FrameHeader{length_of(bytes_), bytes_[3], stream_at(bytes_ + 5)};
  if (have_ > header_size) begun_->dependency = stream_at(bytes_ + header_size);
  skip_ = begun_->length - (have_ - header_size);
  have_ = 0;
  skip();
  return used;
}

}  // namespace http::h2
