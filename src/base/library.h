// Where the parts that the executable needs at run time lie: lib/serai beside it, or beside its parent folder
// (docs/architecture.md, "What is built where").
#pragma once

#include <filesystem>

#include "base/error.h"

namespace base {

// The folder lib/serai: serai-instance, engine/<cache tag>/serai, tools/uv.
Result<std::filesystem::path> library_folder();

}  // namespace base
