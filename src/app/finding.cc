#include "app/finding.h"

#include <nlohmann/json.hpp>

#include "app/words.h"

namespace app {

static constexpr std::array<std::string_view, 3> levels = {"found", "ignored", "warning"};

nlohmann::json to_json(const std::vector<Finding>& findings) {
  auto list = nlohmann::json::array();
  for (const auto& finding : findings) {
    list.push_back({{"level", name_of(finding.level, levels)},
                    {"what", finding.what},
                    {"value", finding.value},
                    {"evidence", finding.evidence},
                    {"override", finding.override}});
  }
  return list;
}

std::vector<Finding> findings_from_json(const nlohmann::json& list) {
  std::vector<Finding> findings;
  for (const auto& one : list) {
    findings.push_back({value_of<Finding::Level>(one.at("level"), levels), one.at("what"), one.at("value"),
                        one.at("evidence"), one.at("override")});
  }
  return findings;
}

}  // namespace app
