// A TCP port for a program that brings its own server.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace environment {

// Free on 127.0.0.1 now, and outside the kernel's range for outgoing connections, so that nobody's connection takes it
// before the program does.
base::Result<std::uint16_t> free_port();

}  // namespace environment
