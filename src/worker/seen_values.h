// worker::SeenValues: what was made of the last value of each header that clients send alike again and again, so that
// most requests make neither strings nor tuples for them. Headers that tell people apart, or that change from request
// to request, are not kept. With the GIL only.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "http/header.h"
#include "python/ref.h"

namespace worker {

class SeenValues {
 public:
  // The object for this value: the one of the last time, or a new one that `make(value)` gives.
  template <typename Make>
  python::Ref of(const http::Header& header, Make&& make) {
    if (!is_repeated(header.id) || header.value.size() > longest) return make(header.value);
    Seen& seen = seen_[static_cast<std::size_t>(header.id)];
    if (!seen.object.is_set() || seen.value != header.value) {
      python::Ref object = make(header.value);  // first: it may throw
      seen.value = header.value;
      seen.object = std::move(object);
    }
    return seen.object.share();
  }

 private:
  static constexpr std::size_t longest = 256;

  static constexpr bool is_repeated(http::HeaderId id) {
    using enum http::HeaderId;
    switch (id) {
      case accept:
      case accept_encoding:
      case accept_language:
      case cache_control:
      case connection:
      case content_type:
      case dnt:
      case host:
      case origin:
      case pragma:
      case priority:
      case sec_fetch_dest:
      case sec_fetch_mode:
      case sec_fetch_site:
      case sec_fetch_user:
      case te:
      case upgrade_insecure_requests:
      case user_agent:
      case via:
      case x_forwarded_host:
      case x_forwarded_port:
      case x_forwarded_proto:
      case x_requested_with:
        return true;
      default:
        return false;
    }
  }

  struct Seen {
    std::string value;
    python::Ref object;
  };
  std::array<Seen, http::header_names.size()> seen_;
};

}  // namespace worker
