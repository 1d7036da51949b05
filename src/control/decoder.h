// control::Decoder: bytes and descriptors in, messages out. Pure: it knows no sockets.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/message.h"

namespace control {

class Decoder {
 public:
  // Takes what one recvmsg(2) brought. The kernel ends a read after the segment that carried descriptors and a sender
  // puts nothing else into it, so descriptors belong to the last frame that starts within `bytes`.
  // After an error the stream is beyond repair: close it.
  base::Result<void> take(std::string_view bytes, std::vector<base::Fd> descriptors = {});
  // The next whole message, if there is one.
  base::Result<std::optional<Message>> next();
  // Whether the stream may end here: no frame has begun.
  bool is_at_boundary() const { return frames_.empty(); }

 private:
  struct Frame {
    std::string bytes;  // length and text, as far as they came
    std::vector<base::Fd> descriptors;
    std::size_t size() const;  // of the whole frame; 0 while the length is unknown
    bool is_whole() const { return size() != 0 && bytes.size() == size(); }
  };
  base::Result<std::size_t> fill(Frame& frame, std::string_view bytes);

  std::deque<Frame> frames_;  // all whole but the last
};

}  // namespace control
