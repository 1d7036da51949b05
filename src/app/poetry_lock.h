// poetry.lock → requirements.txt with hashes and markers, for uv.
#pragma once

#include <string>
#include <string_view>

#include "app/requirement.h"
#include "base/error.h"

namespace app {

// Lock formats 1.1 (Poetry 1.1–1.2), 2.0 (1.3–1.8) and 2.1 (2.x). Main group, no optional extras. Before 2.1 a lock
// does not say which packages the main group needs, so `pyproject` is walked with the markers along each path.
// Git, directory, file and private-index sources are refused: their content cannot be checked by hash.
base::Result<Requirements> convert_poetry_lock(std::string_view lock, std::string_view pyproject);

}  // namespace app
