// Media types by file name.
#pragma once

#include <string_view>

namespace http {

struct ContentType {
  std::string_view name;  // with charset where it is text
  bool compressible;      // whether a compressed variant can be expected to be smaller
};

// By the extension, in any case; application/octet-stream when it is not a known one.
ContentType content_type_of(std::string_view file_name);

}  // namespace http
