// One thing that detection found out: `serai detect` prints it, a deploy shows the first ones.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace app {

struct Finding {
  enum class Level { found, ignored, warning } level = Level::found;
  std::string
      what;  // "framework", "web", "python", "lock", "static", "data", "release phase", "process", "server option"
  std::string value;     // "Django 5.2", "mysite.wsgi:application (WSGI)"
  std::string evidence;  // "manage.py:9 → mysite/settings.py:70 WSGI_APPLICATION"
  std::string override;  // how to change it: "[web] app = \"…\" in serai.toml"; may be empty
};

nlohmann::json to_json(const std::vector<Finding>& findings);
// Throws nlohmann::json::exception when something is missing or of the wrong type.
std::vector<Finding> findings_from_json(const nlohmann::json& list);

}  // namespace app
