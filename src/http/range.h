// The Range field (RFC 9110 section 14), for one range; a request for several is answered with the whole content.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace http {

struct ByteRange {
  std::uint64_t offset = 0, length = 0;
};

enum class RangeKind : std::uint8_t { whole, part, unsatisfiable };
struct RangeAnswer {
  RangeKind kind = RangeKind::whole;  // whole also for what is not understood: section 14.2 says to ignore it
  ByteRange range;                    // of a part
};

RangeAnswer parse_range(std::string_view value, std::uint64_t size);

}  // namespace http
