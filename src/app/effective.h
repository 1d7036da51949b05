// What a setting is in the end and where that came from: the rows of `serai config show`, of `serai detect --json`, and
// of a release's record.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace app {

enum class Origin { standard, file, env, detected };
std::string_view origin_name(Origin origin);  // "default", "file", "env", "detected"

struct Effective {
  std::string path;   // "web.health", "processes.mailer"
  std::string value;  // as text; "(secret)" for secrets
  Origin origin;
  std::string evidence;  // "serai.toml:12", "Procfile:3", "mysite/settings.py:40"; empty for defaults
};

// Every setting, in the schema's order; the names that a user chose are sorted.
using Settings = std::vector<Effective>;

// Fills in what detection found; a value of the file or the environment stays.
void set_detected(Settings& settings, std::string path, std::string value, std::string evidence);
// Whether the file, the environment or detection says something about it.
bool is_decided(const Settings& settings, std::string_view path);

nlohmann::json to_json(const Settings& settings);
// Throws nlohmann::json::exception when something is missing or of the wrong type.
Settings settings_from_json(const nlohmann::json& list);

}  // namespace app
