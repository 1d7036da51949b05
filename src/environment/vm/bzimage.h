// The compressed kernel inside a bzImage (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
#pragma once

#include <optional>
#include <string_view>

namespace environment {

// The part of the image that is the kernel's ELF file, compressed, with its unpacked size behind it; empty when this is
// no bzImage of protocol 2.08 or later.
std::optional<std::string_view> compressed_kernel(std::string_view image);

}  // namespace environment
