// http::h2::OwnResets: the streams that we have reset, whose peer may have sent frames before it learnt of it (RFC 9113
// section 5.1). Remembers the last ones, and of older ones only that they may have been some.
#pragma once

#include <algorithm>
#include <array>

#include "http/codec.h"

namespace http::h2 {

class OwnResets {
 public:
  void add(StreamId stream) {
    forgotten_ = std::max(forgotten_, streams_[next_]);
    streams_[next_] = stream;
    next_ = (next_ + 1) % streams_.size();
  }
  bool may_hold(StreamId stream) const {
    return stream <= forgotten_ || std::ranges::find(streams_, stream) != streams_.end();
  }

 private:
  std::array<StreamId, 64> streams_{};
  std::size_t next_ = 0;
  StreamId forgotten_ = 0;
};

}  // namespace http::h2
