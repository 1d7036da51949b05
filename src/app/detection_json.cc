// Detection as JSON: one form for `serai detect --json`, the API's `detected` event, and the child that reads uploads.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/config_check.h"
#include "app/detect.h"
#include "app/schema.h"
#include "app/words.h"

namespace app {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> lock_kinds = {"none",    "uv",           "pylock",   "poetry",
                                                        "pipfile", "requirements", "pyproject"};
constexpr std::array<std::string_view, 2> projects = {"not_installed", "editable"};
constexpr std::array<std::string_view, 4> interfaces = {"auto", "wsgi", "asgi", "asgi2"};

json lock_json(const Lock& lock) {
  return {{"kind", name_of(lock.kind, lock_kinds)},
          {"file", lock.file},
          {"hashed", lock.hashed},
          {"packages", lock.packages},
          {"project", name_of(lock.project, projects)},
          {"depends_on_code", lock.depends_on_code},
          {"digest", lock.digest}};
}

Lock lock_from(const json& object) {
  Lock lock;
  lock.kind = value_of<LockKind>(object.at("kind"), lock_kinds);
  lock.file = object.at("file");
  lock.hashed = object.at("hashed");
  lock.packages = object.at("packages");
  lock.project = value_of<Lock::Project>(object.at("project"), projects);
  lock.depends_on_code = object.at("depends_on_code");
  lock.digest = object.at("digest");
  return lock;
}

json candidates_json(const std::vector<Candidate>& candidates) {
  auto list = json::array();
  for (const auto& candidate : candidates) {
    list.push_back({{"app", candidate.target},
                    {"evidence", candidate.evidence},
                    {"interface", name_of(candidate.interface, interfaces)},
                    {"app_dir", candidate.app_dir}});
  }
  return list;
}

std::vector<Candidate> candidates_from(const json& list) {
  std::vector<Candidate> candidates;
  for (const auto& one : list) {
    candidates.push_back(
        {one.at("app"), one.at("evidence"), value_of<Interface>(one.at("interface"), interfaces), one.at("app_dir")});
  }
  return candidates;
}

// Throws json::exception for what is missing or of the wrong type; config and python have errors of their own.
base::Result<Detection> read(const json& object) {
  Detection detection;
  auto python = PythonWish::parse(object.at("python").get_ref<const std::string&>());
  if (!python) return std::unexpected(python.error());
  auto config = config_from_json(object.at("config"));
  if (!config) return std::unexpected(config.error());
  detection.python = std::move(*python);
  detection.config = std::move(*config);
  detection.settings = settings_from_json(object.at("settings"));
  detection.lock = lock_from(object.at("lock"));
  detection.framework = object.at("framework");
  detection.django_settings = object.at("django").at("settings");
  detection.django_manage = object.at("django").at("manage");
  detection.candidates = candidates_from(object.at("candidates"));
  detection.is_explicit = object.at("explicit");
  detection.findings = findings_from_json(object.at("findings"));
  return detection;
}

base::Result<void> check(const Detection& detection) {
  auto is_unknown = [](const Effective& setting) { return !find_setting(setting.path); };
  if (auto unknown = std::ranges::find_if(detection.settings, is_unknown); unknown != detection.settings.end())
    return base::invalid("there is no setting {}", unknown->path);
  return check_config(detection.config);
}

}  // namespace

json to_json(const Detection& detection) {
  return {{"framework", detection.framework},
          {"python", detection.python.text()},
          {"lock", lock_json(detection.lock)},
          {"django", {{"settings", detection.django_settings}, {"manage", detection.django_manage}}},
          {"candidates", candidates_json(detection.candidates)},
          {"explicit", detection.is_explicit},
          {"findings", to_json(detection.findings)},
          {"settings", to_json(detection.settings)},
          {"config", to_json(detection.config)}};
}

base::Result<Detection> detection_from_json(const json& object) {
  try {
    auto detection = read(object);
    if (!detection) return detection;
    if (auto good = check(*detection); !good) return std::unexpected(good.error());
    return detection;
  } catch (const json::exception& error) {
    return base::invalid("{}", error.what());
  }
}

}  // namespace app
