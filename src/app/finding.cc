#include "app/finding.h"

#include <nlohmann/json.hpp>

namespace app {

static std::string_view level_name(Finding::Level level) {
  switch (level) {
    case Finding::Level::found:
      return "found";
    case Finding::Level::ignored:
      return "ignored";
    case Finding::Level::warning:
      return "warning";
  }
  return "";
}

nlohmann::json to_json(const std::vector<Finding>& findings) {
  auto list = nlohmann::json::array();
  for (const auto& finding : findings) {
    list.push_back({{"level", level_name(finding.level)},
                    {"what", finding.what},
                    {"value", finding.value},
                    {"evidence", finding.evidence},
                    {"override", finding.override}});
  }
  return list;
}

}  // namespace app
