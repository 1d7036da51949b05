#include "app/effective.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/schema.h"
#include "app/words.h"

namespace app {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> origins = {"default", "file", "env", "detected"};

// The schema's settings lie in one array, so their addresses have its order.
bool comes_before(const Effective& a, const Effective& b) {
  const auto *first = find_setting(a.path), *second = find_setting(b.path);
  return first == second ? a.path < b.path : first < second;
}

}  // namespace

std::string_view origin_name(Origin origin) { return name_of(origin, origins); }

void set_detected(Settings& settings, std::string path, std::string value, std::string evidence) {
  Effective detected{std::move(path), std::move(value), Origin::detected, std::move(evidence)};
  auto same = std::ranges::find(settings, detected.path, &Effective::path);
  if (same == settings.end()) {
    auto place = std::ranges::upper_bound(settings, detected, comes_before);
    settings.insert(place, std::move(detected));
  } else if (same->origin == Origin::standard || same->origin == Origin::detected) {
    *same = std::move(detected);
  }
}

bool is_decided(const Settings& settings, std::string_view path) {
  auto found = std::ranges::find(settings, path, &Effective::path);
  return found != settings.end() && found->origin != Origin::standard;
}

json to_json(const Settings& settings) {
  auto list = json::array();
  for (const auto& setting : settings) {
    list.push_back({{"path", setting.path},
                    {"value", setting.value},
                    {"origin", origin_name(setting.origin)},
                    {"evidence", setting.evidence}});
  }
  return list;
}

Settings settings_from_json(const json& list) {
  Settings settings;
  for (const auto& one : list) {
    settings.push_back(
        {one.at("path"), one.at("value"), value_of<Origin>(one.at("origin"), origins), one.at("evidence")});
  }
  return settings;
}

}  // namespace app
