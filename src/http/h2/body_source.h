// http::h2::BodySource: bytes of an answer that are fetched when they can be sent, such as those of a file.
#pragma once

#include <span>

#include "base/error.h"

namespace http::h2 {

class BodySource {
 public:
  virtual ~BodySource() = default;
  // Fills `into`, whole or in part; 0 or an error means that the answer cannot be completed: the stream is reset.
  virtual base::Result<std::size_t> read(std::span<char> into) = 0;
};

}  // namespace http::h2
