#include "app/conventions.h"

#include <algorithm>
#include <array>

#include "app/python_source.h"
#include "app/text.h"

namespace app {
namespace {

std::string folder_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash);
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// ---- Django ------------------------------------------------------------------------------------------------------

std::optional<std::string> module_path(const Folder& folder, const std::string& root, const std::string& module) {
  auto base = joined(root, replace_all(module, ".", "/"));
  for (const auto& path : {base + ".py", base + "/__init__.py"}) {
    if (folder.has_file(path)) return path;
  }
  return {};
}

// "mysite.wsgi.application" → "mysite.wsgi:application".
std::string with_colon(std::string dotted) {
  auto dot = dotted.rfind('.');
  if (dot != dotted.npos) dotted[dot] = ':';
  return dotted;
}

// An entry named by the settings, else a file (wsgi.py) that makes one.
std::optional<Candidate> django_entry(const Folder& folder, const DjangoProject& project, std::string_view setting,
                                      std::string_view file, std::string_view maker, Interface interface) {
  if (auto path = module_path(folder, project.root, project.settings)) {
    auto source = PythonSource::parse(folder.find(*path).value_or(""));
    auto assignment = source.find_assignment(setting);
    if (assignment && assignment->literal && assignment->literal->contains('.')) {
      return Candidate{with_colon(*assignment->literal),
                       fmt::format("{} → {}:{} {}", project.evidence, *path, assignment->line, setting), interface, ""};
    }
  }
  for (const auto& path : folder.files(3)) {
    if (name_of(path) != file || !path.starts_with(project.root)) continue;
    auto text = folder.find(path);
    if (!text || !text->contains(maker)) continue;
    auto relative = project.root.empty() ? path : path.substr(project.root.size() + 1);
    auto module = replace_all(relative.substr(0, relative.size() - 3), "/", ".");
    return Candidate{module + ":application", fmt::format("{} ({})", path, maker), interface, ""};
  }
  return {};
}

std::optional<DjangoProject> project_at(const Folder& folder, const std::string& manage,
                                        const std::optional<std::string>& settings_override) {
  auto text = folder.find(manage, 1 << 20);
  auto named = text ? find_text_after(*text, "DJANGO_SETTINGS_MODULE") : std::nullopt;
  if (!named && !settings_override) return {};
  DjangoProject project;
  project.manage = manage;
  project.root = folder_of(manage);
  project.settings = settings_override ? *settings_override : named->text;
  project.evidence =
      settings_override ? "the variable DJANGO_SETTINGS_MODULE" : fmt::format("{}:{}", manage, named->line);
  return project;
}

// Sites with several settings modules name the one for production in wsgi.py, the one for development in manage.py.
void prefer_settings_of_entry(const Folder& folder, DjangoProject& project) {
  if (project.candidates.empty()) return;
  auto module = project.candidates[0].target.substr(0, project.candidates[0].target.find(':'));
  auto path = module_path(folder, project.root, module);
  auto text = path ? folder.find(*path, 1 << 20) : std::nullopt;
  auto named = text ? find_text_after(*text, "DJANGO_SETTINGS_MODULE") : std::nullopt;
  if (!named || named->text == project.settings || !module_path(folder, project.root, named->text)) return;
  project.settings = named->text;
  project.evidence = fmt::format("{}:{}", *path, named->line);
}

// ---- other frameworks --------------------------------------------------------------------------------------------

struct Maker {
  std::string_view call;
  std::string_view framework;
};
constexpr std::array<Maker, 20> makers = {{{"Flask(", "Flask"},
                                           {"FastAPI(", "FastAPI"},
                                           {"Starlette(", "Starlette"},
                                           {"Quart(", "Quart"},
                                           {"Litestar(", "Litestar"},
                                           {"Bottle(", "Bottle"},
                                           {"default_app(", "Bottle"},
                                           {"APIFlask(", "Flask"},
                                           {"Dash(", "Dash"},
                                           {"get_wsgi_application(", "Django"},
                                           {"get_asgi_application(", "Django"},
                                           {"ProtocolTypeRouter(", "Django"},
                                           {"make_wsgi_app(", "Pyramid"},
                                           {"falcon.App(", "Falcon"},
                                           {"falcon.asgi.App(", "Falcon"},
                                           {"WsgiToAsgi(", "WSGI"},
                                           {"create_app(", "app"},
                                           {"make_app(", "app"},
                                           {"build_app(", "app"},
                                           {"create_application(", "app"}}};
constexpr std::array<std::string_view, 6> object_names = {"app", "application", "api", "server", "asgi", "wsgi"};
constexpr std::array<std::string_view, 6> factory_names = {"create_app", "make_app", "create_application",
                                                           "build_app",  "get_app",  "app_factory"};
constexpr std::array<std::string_view, 10> file_order = {"app.py",         "main.py",   "wsgi.py", "asgi.py",
                                                         "application.py", "server.py", "api.py",  "__init__.py",
                                                         "run.py",         "web.py"};

struct Ranked {
  int rank;
  Candidate candidate;
};

std::size_t file_rank(const std::string& path) {
  auto found = std::ranges::find(file_order, name_of(path));
  return static_cast<std::size_t>(found - file_order.begin());
}

bool is_test(const std::string& path) {
  auto name = name_of(path);
  return name.starts_with("test") || name == "conftest.py" || name == "setup.py" || path.starts_with("test") ||
         path.contains("/test") || path.starts_with("docs/") || path.starts_with("examples/") ||
         path.contains("/migrations/");
}

// The module that a path names, and the folder that must be on sys.path for it.
Candidate candidate_for(const std::string& path, const std::string& attribute, std::string evidence) {
  bool in_src = path.starts_with("src/");
  auto relative = in_src ? path.substr(4) : path;
  relative.resize(relative.size() - 3);
  if (relative.ends_with("/__init__")) relative.resize(relative.size() - 9);
  return {replace_all(relative, "/", ".") + ":" + attribute, std::move(evidence), Interface::automatic,
          in_src ? "src" : ""};
}

void look_into(const Folder& folder, const std::string& path, std::vector<Ranked>& found) {
  auto text = folder.find(path, 1 << 20);
  if (!text) return;
  auto source = PythonSource::parse(*text);
  int place = static_cast<int>(std::ranges::count(path, '/')) * 100 + static_cast<int>(file_rank(path)) * 2;
  for (const auto& assignment : source.assignments) {
    auto framework = framework_of_expression(assignment.value);
    bool usual_name = std::ranges::find(object_names, assignment.name) != object_names.end();
    bool unusual = framework.empty() || (framework == "app" && !usual_name);
    if (unusual) continue;
    auto evidence =
        fmt::format("{}:{} {} = {}", path, assignment.line, assignment.name, assignment.value.substr(0, 40));
    found.push_back({place + !usual_name, candidate_for(path, assignment.name, std::move(evidence))});
  }
  for (const auto& definition : source.definitions) {
    bool is_plain = !definition.is_class && (definition.name == "app" || definition.name == "application") &&
                    file_rank(path) < file_order.size();
    if (is_plain) {  // an application without a framework; its signature is asked later
      found.push_back(
          {5'000 + place, candidate_for(path, definition.name,
                                        fmt::format("{}:{} def {}(…)", path, definition.line, definition.name))});
    }
    bool is_factory = !definition.is_class && std::ranges::find(factory_names, definition.name) != factory_names.end();
    if (!is_factory) continue;
    found.push_back(
        {10'000 + place, candidate_for(path, definition.name + "()",
                                       fmt::format("{}:{} def {}()", path, definition.line, definition.name))});
  }
}

}  // namespace

std::string framework_of_expression(std::string_view expression) {
  for (const auto& maker : makers) {
    auto at = expression.find(maker.call);
    // A call of that very name: `Flask(…)`, `flask.Flask(…)`, not `MyFlask(…)`.
    if (at != expression.npos && (at == 0 || expression[at - 1] == '.' || expression[at - 1] == ' '))
      return std::string(maker.framework);
  }
  return {};
}

std::optional<DjangoProject> find_django(const Folder& folder, const std::optional<std::string>& settings_override) {
  std::vector<std::string> places;
  for (const auto& path : folder.files(2)) {
    if (name_of(path) == "manage.py") places.push_back(path);
  }
  std::ranges::stable_sort(places, {}, [](const std::string& path) { return std::ranges::count(path, '/'); });
  for (const auto& place : places) {
    auto project = project_at(folder, place, settings_override);
    if (!project) continue;
    auto wsgi = django_entry(folder, *project, "WSGI_APPLICATION", "wsgi.py", "get_wsgi_application", Interface::wsgi);
    auto asgi = django_entry(folder, *project, "ASGI_APPLICATION", "asgi.py", "get_asgi_application", Interface::asgi);
    for (auto& entry : {wsgi, asgi}) {
      if (entry) project->candidates.push_back(*entry);
    }
    if (!settings_override) prefer_settings_of_entry(folder, *project);
    return project;
  }
  return {};
}

std::vector<Candidate> find_candidates(const Folder& folder) {
  std::vector<Ranked> found;
  for (const auto& path : folder.files(3)) {
    if (path.ends_with(".py") && !is_test(path)) look_into(folder, path, found);
  }
  std::ranges::stable_sort(found, {}, &Ranked::rank);
  constexpr std::size_t most = 10;
  std::vector<Candidate> candidates;
  for (auto& one : found) {
    if (candidates.size() < most) candidates.push_back(std::move(one.candidate));
  }
  return candidates;
}

}  // namespace app
