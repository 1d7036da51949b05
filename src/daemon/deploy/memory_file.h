// A file in memory, to hand text to a child.
#pragma once

#include <string>

#include "base/fd.h"

namespace control_plane {

// A descriptor to read `content` from, close-on-exec.
base::Result<base::Fd> memory_file(const std::string& content);

}  // namespace control_plane
