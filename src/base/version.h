// The one version of everything in this tree: CMake's project version.
#pragma once

#include <string_view>

namespace base {

std::string_view version();

}  // namespace base
