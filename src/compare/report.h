// What a comparison found, as one JSON object: everything that `serai compare --json` prints, and all that the table
// for people is made of (docs/compare.md).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "compare/comparison.h"

namespace compare {

nlohmann::json to_json(const Outcome& outcome);

}  // namespace compare
