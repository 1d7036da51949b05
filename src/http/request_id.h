// http::RequestIds: ids that tell requests apart in logs, error pages and X-Request-ID. Not secret, never repeated.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace http {

using RequestId = std::array<char, 32>;  // lower-case hexadecimal
inline std::string_view view(const RequestId& id) { return {id.data(), id.size()}; }

// Whether an id that a client sends is fit for logs: 1 to 128 letters, digits and signs that need no quoting.
bool is_sane_request_id(std::string_view text);

class RequestIds {
 public:
  RequestIds();
  RequestId next();

 private:
  std::uint64_t process_, count_;  // random at the start, so that ids of two processes differ
};

}  // namespace http
