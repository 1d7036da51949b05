// The table of `serai compare`, from its JSON (docs/compare.md).
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

namespace cli {

void show_comparison(const nlohmann::json& report, std::ostream& out);

}  // namespace cli
