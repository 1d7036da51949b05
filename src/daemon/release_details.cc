#include "daemon/release_details.h"

#include <nlohmann/json.hpp>

namespace control_plane {
namespace {

using nlohmann::json;

json to_json(const app::Interpreter& interpreter) {
  return {{"path", interpreter.path},
          {"version", {interpreter.version.major, interpreter.version.minor, interpreter.version.patch}},
          {"cache_tag", interpreter.cache_tag},
          {"prefix", interpreter.prefix},
          {"platform", interpreter.platform}};
}

app::Interpreter interpreter_from(const json& value) {
  const auto& version = value.at("version");
  return {value.at("path"),
          {version.at(0).get<int>(), version.at(1).get<int>(), version.at(2).get<int>()},
          value.at("cache_tag"),
          value.at("prefix"),
          value.at("platform")};
}

}  // namespace

std::string ReleaseDetails::to_text() const {
  return json{{"config", app::to_json(config)},
              {"interpreter", to_json(interpreter)},
              {"framework", framework},
              {"code_digest", code_digest},
              {"settings", app::to_json(settings)}}
      .dump();
}

base::Result<ReleaseDetails> ReleaseDetails::from_text(const std::string& text) {
  try {
    auto value = json::parse(text);
    auto config = app::config_from_json(value.at("config"));
    if (!config) return std::unexpected(config.error());
    return ReleaseDetails{std::move(*config), interpreter_from(value.at("interpreter")), value.value("framework", ""),
                          value.value("code_digest", ""), app::settings_from_json(value.at("settings"))};
  } catch (const json::exception& error) {
    return base::fail(base::Kind::internal, "read a release: its record is damaged: {}", error.what());
  }
}

}  // namespace control_plane
