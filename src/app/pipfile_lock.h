// Pipfile.lock → requirements.txt with hashes and markers, for uv.
#pragma once

#include <string_view>

#include "app/requirement.h"
#include "base/error.h"

namespace app {

// Section "default" of spec 6. Git, path and private-index entries are refused.
base::Result<Requirements> convert_pipfile_lock(std::string_view lock);

}  // namespace app
