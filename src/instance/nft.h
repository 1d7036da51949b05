// Running nft(8), which sets the kernel's packet filter.
#pragma once

#include <string>

#include "base/error.h"

namespace instance {

// The rules go to its standard input; all take effect, or none. They act on the caller's network namespace.
// Kind::unsupported where nft or the kernel's nftables is missing.
base::Result<void> run_nft(const std::string& rules);

}  // namespace instance
