// Accept-Encoding (RFC 9110 section 12.5.3): which codings a client takes, in thousandths of a quality.
#pragma once

#include <string_view>

namespace http {

struct Acceptable {
  int br = 0, zstd = 0, gzip = 0;  // 0: not acceptable, 1000: most wanted
};

// An empty or missing field accepts no coding but identity.
Acceptable parse_accept_encoding(std::string_view value);

}  // namespace http
