// http::h1::RequestWriter: writes requests, always from parsed parts, never from received bytes as they were.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace http::h1 {

class RequestWriter {
 public:
  base::Result<void> head(const OutgoingRequest& request, std::string& out);
  base::Result<void> body(std::string_view bytes, std::string& out);
  // Fails when fewer bytes were sent than declared; the connection is then of no use.
  base::Result<void> end(std::string& out);
  bool is_ended() const { return ended_; }

 private:
  Framing framing_ = Framing::none;
  std::uint64_t left_ = 0;  // of Framing::length
  bool ended_ = true;
};

}  // namespace http::h1
