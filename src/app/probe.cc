// The second half of detection: what the app itself says when it is imported in the sandbox (python/serai/examine.py).
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/detect.h"
#include "app/text.h"

namespace app {
namespace {

using nlohmann::json;

constexpr std::string_view marker = "SERAI-EXAMINE ";
constexpr std::string_view app_folder = "/app/";

std::string text_at(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Absolute path in the instance → relative to /app; nothing when it is elsewhere. "" is /app itself.
std::optional<std::string> inside_app(std::string_view path) {
  std::string inside;
  if (path == "/app") return inside;
  if (!path.starts_with(app_folder) || !normalize_inside(path.substr(app_folder.size()), inside)) return {};
  return inside;
}

std::string folder_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash);
}

// Takes the answer of a successful import into the detection.
class Answer {
 public:
  Answer(Detection& detection, const json& answer)
      : detection_(detection), config_(detection.config), answer_(answer) {}

  base::Result<void> take() {
    if (auto done = take_app(); !done) return done;
    if (answer_.contains("django") && answer_["django"].is_object()) take_django(answer_["django"]);
    if (answer_.contains("flask") && answer_["flask"].is_object()) take_flask(answer_["flask"]);
    if (answer_.contains("databases") && answer_["databases"].is_array()) {
      for (const auto& path : answer_["databases"]) {
        if (path.is_string()) add_data_file(path, "opened while the app was imported");
      }
    }
    return {};
  }

 private:
  base::Result<void> take_app() {
    auto& web = config_.web;
    auto interface = interface_of(text_at(answer_, "interface"));
    if (!interface)
      return base::fail(base::Kind::internal, "the import of the app gave an answer without an interface");
    web.kind = WebProcess::Kind::engine;
    web.app = text_at(answer_, "target");
    web.app_dir = text_at(answer_, "app_dir");
    web.interface = *interface;
    web.factory = answer_.value("factory", false);
    detection_.framework = text_at(answer_, "framework");
    auto evidence = text_at(answer_, "evidence");
    set_detected(detection_.settings, "web.app", web.app, evidence);
    add(Finding::Level::found, "framework", detection_.framework, "imported", "");
    add(Finding::Level::found, "web",
        fmt::format("{} ({}: {})", web.app, to_upper(interface_name(*interface)), text_at(answer_, "reason")), evidence,
        "[web] app = \"module:attribute\" in serai.toml");
    return {};
  }

  static std::string to_upper(std::string_view text) {
    std::string upper(text);
    for (auto& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return upper;
  }

  void take_django(const json& django) {
    detection_.django_settings = text_at(django, "settings");
    if (!detection_.django_settings.empty())
      config_.env.try_emplace("DJANGO_SETTINGS_MODULE", detection_.django_settings);
    auto media = text_at(django, "media_root");
    if (!media.empty()) add_data_folder(media, "settings.MEDIA_ROOT");
    take_databases(django);
    take_static(django);
    take_hosts(django);
  }

  void take_databases(const json& django) {
    bool has_database = false;
    for (const auto& database : django.value("databases", json::array())) {
      auto engine = text_at(database, "engine"), name = text_at(database, "name");
      has_database = has_database || (!engine.empty() && engine != "django.db.backends.dummy");
      if (engine.ends_with("sqlite3"))
        add_data_file(name, fmt::format("settings.DATABASES[\"{}\"]", text_at(database, "alias")));
    }
    bool decided = !config_.release_phases.empty() || is_decided(detection_.settings, "phases.release");
    if (has_database && !decided)
      add_phase(config_.release_phases, "release phase", "migrate --noinput", "settings.DATABASES");
  }

  void add_phase(std::vector<Phase>& phases, std::string_view what, std::string_view arguments,
                 std::string_view evidence) {
    auto program = detection_.django_manage.empty() ? "python -m django" : "python manage.py";
    auto command = fmt::format("{} {}", program, arguments);
    add(Finding::Level::found, std::string(what), command, std::string(evidence), "[phases] in serai.toml");
    phases.push_back({command, folder_of(detection_.django_manage), command, std::string(evidence)});
  }

  void take_static(const json& django) {
    auto url = text_at(django, "static_url");
    if (!django.value("staticfiles", false) || !url.starts_with('/') || url == "/") return;
    auto root = text_at(django, "static_root");
    auto inside = inside_app(root);
    bool off = django.value("collectstatic_off", false);
    bool decided = !config_.build_phases.empty() || is_decided(detection_.settings, "phases.build");
    if (!decided && !off && inside && !inside->empty()) {
      add_phase(config_.build_phases, "build phase", "collectstatic --noinput", "settings.STATIC_ROOT");
    } else if (!decided && !off && root.empty()) {
      inside = std::string(collected_folder);
      auto command = fmt::format("python -m serai.collect_static {}{}", app_folder, collected_folder);
      config_.build_phases.push_back({command, "", "collect static files", "settings.STATIC_ROOT is not set"});
      add(Finding::Level::found, "build phase", "collect static files", "settings.STATIC_ROOT is not set",
          "set STATIC_ROOT, or [phases] build in serai.toml");
    }
    if (inside && !inside->empty()) add_static(url, *inside, "settings.STATIC_URL");
  }

  void take_hosts(const json& django) {
    auto hosts = django.value("allowed_hosts", json::array());
    bool debug = django.value("debug", false);
    if (debug)
      add(Finding::Level::warning, "django", "DEBUG is on", "settings.DEBUG",
          "serai env set DEBUG=0, if the settings read it");
    auto answers = [&](const std::string& name) {
      return std::ranges::any_of(hosts, [&](const json& h) {
        auto host = h.is_string() ? h.get<std::string>() : std::string();
        return host == "*" || host == name ||
               (host.starts_with('.') && (name.ends_with(host) || name == host.substr(1)));
      });
    };
    auto own = config_.name + ".localhost";
    bool local = debug && hosts.empty();  // Django then answers to *.localhost
    if (!local && !answers(own))
      add(Finding::Level::warning, "django",
          fmt::format("ALLOWED_HOSTS does not hold {}, so requests to it get 400", own), "settings.ALLOWED_HOSTS",
          "add it, or deploy with hosts that are in it: [routes] hosts");
  }

  void take_flask(const json& flask) {
    auto instance = text_at(flask, "instance_path");
    if (auto inside = inside_app(instance); inside && !inside->empty()) add_data_folder(instance, "app.instance_path");
    auto folder = inside_app(text_at(flask, "static_folder"));
    auto url = text_at(flask, "static_url_path");
    bool is_served =
        folder && !folder->empty() && url.starts_with('/') && url != "/" && flask.value("static_exists", false);
    if (is_served) add_static(url, *folder, "app.static_url_path");
  }

  void add_static(std::string url, const std::string& folder, const std::string& evidence) {
    while (url.ends_with('/')) url.pop_back();
    if (!config_.static_files.try_emplace(url, folder).second) return;
    set_detected(detection_.settings, "web.static." + url, folder, evidence);
    add(Finding::Level::found, "static", fmt::format("{} → {}", url, folder), evidence, "[web] static in serai.toml");
  }

  void add_data_folder(const std::string& path, const std::string& evidence) {
    auto inside = inside_app(path);
    if (!inside) {
      add(Finding::Level::warning, "data", path + " is not below /app and is not kept", evidence,
          "move it below the project's folder");
      return;
    }
    bool is_new = !inside->empty() && std::ranges::find(config_.data_folders, *inside) == config_.data_folders.end();
    if (!is_new) return;
    config_.data_folders.push_back(*inside);
    add(Finding::Level::found, "data", *inside + "/ is kept across releases", evidence,
        "[environment] volumes in serai.toml");
  }

  void add_data_file(const std::string& path, const std::string& evidence) {
    if (path.empty() || path.starts_with(":memory:") || path.starts_with("file:")) return;
    auto inside = inside_app(path);
    if (!inside || inside->empty()) {
      if (path.starts_with('/') && !path.starts_with("/tmp/"))
        add(Finding::Level::warning, "data", path + " is not below /app and is not kept", evidence,
            "move it below the project's folder");
      return;
    }
    if (std::ranges::find(config_.data_files, *inside) == config_.data_files.end()) {
      config_.data_files.push_back(*inside);
      add(Finding::Level::found, "data", *inside + " is kept across releases", evidence, "");
    }
    auto folder = folder_of(*inside);
    if (!folder.empty() && std::ranges::find(config_.data_folders, folder) == config_.data_folders.end())
      config_.data_folders.push_back(folder);
  }

  void add(Finding::Level level, std::string what, std::string value, std::string evidence, std::string override) {
    detection_.findings.push_back({level, std::move(what), std::move(value), std::move(evidence), std::move(override)});
  }

  static constexpr std::string_view collected_folder = ".serai/static";
  Detection& detection_;
  Config& config_;
  const json& answer_;
};

// The last line that carries the marker: whatever the app printed stands before it.
json answer_in(std::string_view output) {
  auto at = output.rfind(marker);
  if (at == output.npos) return json(json::value_t::discarded);
  auto line = output.substr(at + marker.size());
  return json::parse(line.substr(0, line.find('\n')), nullptr, false);
}

base::Result<void> failure(const json& answer) {
  auto tried = text_at(answer, "tried"), found = text_at(answer, "found");
  return std::unexpected(base::Error(base::Kind::invalid, fmt::format("{}: {}", tried, found), text_at(answer, "fix")));
}

}  // namespace

std::vector<std::string> probe_command(const Detection& detection) {
  auto candidates = json::array();
  for (const auto& candidate : detection.candidates) {
    candidates.push_back({{"target", candidate.target},
                          {"evidence", candidate.evidence},
                          {"interface", interface_name(candidate.interface)},
                          {"app_dir", candidate.app_dir}});
  }
  const auto& web = detection.config.web;
  json request = {{"candidates", candidates},
                  {"factory", web.factory},
                  {"folder", web.folder},
                  {"settings", detection.django_settings},
                  {"explicit", detection.is_explicit}};
  return {"/venv/bin/python", "-m", "serai.examine", request.dump(-1, ' ', true, json::error_handler_t::replace)};
}

std::string without_answer(std::string_view output) {
  auto at = output.rfind(marker);
  if (at == output.npos) return std::string(output);
  auto end = output.find('\n', at);
  return std::string(output.substr(0, at)) + std::string(end == output.npos ? "" : output.substr(end + 1));
}

base::Result<void> apply_probe(Detection& detection, std::string_view output) {
  auto answer = answer_in(output);
  if (!answer.is_object()) {
    return std::unexpected(base::Error(base::Kind::invalid,
                                       "importing the app: the Python process ended before it could answer",
                                       "see its output: the app must not end the process on import"));
  }
  if (!answer.value("ok", false)) return failure(answer);
  return Answer(detection, answer).take();
}

}  // namespace app
