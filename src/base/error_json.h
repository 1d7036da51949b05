// An error as JSON, wherever one crosses a process border: {"kind", "message", "advice", "contexts"}.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"

namespace base {

nlohmann::json to_json(const Error& error);
// Missing members count as empty, an unknown kind as internal; throws nlohmann::json::exception for wrong types.
Error error_from_json(const nlohmann::json& value);

}  // namespace base
