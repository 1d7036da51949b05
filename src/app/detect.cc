#include "app/detect.h"

#include <algorithm>
#include <cctype>

#include "app/command_line.h"
#include "app/conventions.h"
#include "app/procfile.h"
#include "app/python_source.h"
#include "app/python_wish.h"
#include "app/server_command.h"
#include "app/text.h"

namespace app {
namespace {

constexpr std::string_view name_app =
    "name it: [web] app = \"module:attribute\" in serai.toml, or a Procfile line `web: COMMAND`";

class Detector {
 public:
  Detector(const Folder& folder, const DetectOptions& options)
      : folder_(folder), options_(options), environment_(lookup_in(options.env)) {}

  base::Result<Detection> run() {
    for (auto step : {&Detector::read_manifest, &Detector::read_python, &Detector::read_lock, &Detector::read_procfile,
                      &Detector::find_web, &Detector::read_processes, &Detector::read_phases}) {
      if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
    }
    fill_config();
    detection_.settings = manifest_.effective();
    return std::move(detection_);
  }

 private:
  base::Result<void> read_manifest() {
    if (auto text = folder_.find("serai.toml", 1 << 20)) {
      auto manifest = Manifest::parse(*text);
      if (!manifest) return std::unexpected(manifest.error());
      manifest_ = std::move(*manifest);
    }
    for (const auto& [name, value] : options_.env) {
      if (auto applied = manifest().apply_environment(name, value); !applied) return applied;
    }
    manifest().set_detected("name", app_name_from(options_.fallback_name), "the folder's name");
    return {};
  }

  base::Result<void> read_python() {
    auto found = find_python_wish(folder_, manifest().text("python"));
    if (!found) return std::unexpected(found.error());
    detection_.python = found->wish;
    if (!found->wish.is_any()) manifest().set_detected("python", found->wish.text(), found->finding.evidence);
    add(std::move(found->finding));
    return {};
  }

  base::Result<void> read_lock() {
    auto lock = find_lock(folder_);
    if (!lock) return std::unexpected(lock.error());
    detection_.lock = std::move(*lock);
    for (const auto& finding : detection_.lock.findings) add(finding);
    return {};
  }

  base::Result<void> read_procfile() {
    auto text = folder_.find("Procfile", 1 << 20);
    if (!text) return {};
    has_procfile_ = true;
    auto lines = parse_procfile(*text);
    if (!lines) return std::unexpected(lines.error());
    procfile_ = std::move(*lines);
    return {};
  }

  const ProcfileLine* procfile_line(std::string_view name) const {
    auto found = std::ranges::find(procfile_, name, &ProcfileLine::name);
    return found == procfile_.end() ? nullptr : &*found;
  }

  // ---- the web process: serai.toml, then the Procfile, then conventions ----

  base::Result<void> find_web() {
    auto override = options_.env.find("DJANGO_SETTINGS_MODULE");
    django_ = find_django(folder_, override == options_.env.end() ? std::nullopt : std::optional(override->second));
    if (django_) note_django();
    auto line = procfile_line("web");
    if (!line) line = procfile_line("wsgi");  // piku's name for it
    bool own = manifest().text("web.server") == "own";
    if (own && !line)
      return base::invalid("{}: web.server = \"own\" needs a Procfile line `web: COMMAND`",
                           manifest().where("web.server"));
    if (own) return run_as_given(*line, manifest().where("web.server"));
    if (auto app = manifest().text("web.app")) return serve_named(*app, manifest().where("web.app"));
    if (line) return follow_command(*line);
    return search();
  }

  void note_django() {
    detection_.framework = "Django";
    detection_.django_settings = django_->settings;
    detection_.django_manage = django_->manage;
    web().folder = django_->root;
    config().env["DJANGO_SETTINGS_MODULE"] = django_->settings;
    add({Finding::Level::found, "framework", "Django, settings " + django_->settings, django_->evidence,
         "set the variable DJANGO_SETTINGS_MODULE"});
  }

  base::Result<void> serve_named(const std::string& app, const std::string& evidence) {
    web().kind = WebProcess::Kind::engine;
    detection_.candidates = {{app, evidence, web().interface, web().app_dir}};
    detection_.is_explicit = true;
    return {};
  }

  base::Result<void> run_as_given(const ProcfileLine& line, const std::string& evidence) {
    web().kind = WebProcess::Kind::own;
    web().command = line.command;
    detection_.framework = "own server";
    add({Finding::Level::found, "web", fmt::format("`{}` brings its own server", line.command),
         fmt::format("Procfile:{}{}{}", line.line, evidence.empty() ? "" : ", ", evidence),
         "[web] app = \"module:attribute\" in serai.toml"});
    return {};
  }

  base::Result<void> follow_command(const ProcfileLine& line) {
    auto evidence = fmt::format("Procfile:{}", line.line);
    auto command = CommandLine::parse(line.command);
    if (!command) return base::wrap(command.error(), evidence);
    std::string reason;
    auto server = recognize_server(*command, environment_, reason);
    if (!server) return run_as_given(line, reason);
    if (auto read = read_server_config(*server); !read) return read;
    for (auto& finding : explain(*server, evidence)) add(std::move(finding));
    auto folder = server->web.folder.empty() ? web().folder : server->web.folder;
    web() = server->web;
    web().folder = folder;
    set_detected_web(evidence);
    if (web().app.empty()) return search();
    return serve_named(web().app, fmt::format("{} ({})", evidence, server->server));
  }

  base::Result<void> read_server_config(ServerCommand& server) {
    std::string file = server.config_file;
    if (file.starts_with("file:")) file.erase(0, 5);
    bool is_gunicorn = server.server == "gunicorn";
    if (file.empty() && is_gunicorn && folder_.has_file("gunicorn.conf.py")) file = "gunicorn.conf.py";
    if (file.empty()) return {};
    std::string path;
    auto text = normalize_inside(server.web.folder.empty() ? file : server.web.folder + "/" + file, path)
                    ? folder_.find(path, 1 << 20)
                    : std::nullopt;
    if (!text)
      return base::not_found("the Procfile's {} command names the file {}, which is not in the folder", server.server,
                             file);
    if (is_gunicorn) take_gunicorn_config(server, *text, path);
    if (server.server == "uwsgi") take_uwsgi_ini(server, *text, path);
    return {};
  }

  void set_detected_web(const std::string& evidence) {
    WebProcess standard;
    if (web().workers) manifest().set_detected("web.workers", std::int64_t{*web().workers}, evidence);
    if (web().threads) manifest().set_detected("web.threads", std::int64_t{*web().threads}, evidence);
    if (web().request_timeout != standard.request_timeout)
      manifest().set_detected("web.request_timeout", web().request_timeout, evidence);
    if (web().graceful_timeout != standard.graceful_timeout)
      manifest().set_detected("web.graceful_timeout", web().graceful_timeout, evidence);
  }

  base::Result<void> search() {
    auto candidates = django_ ? django_->candidates : std::vector<Candidate>();
    if (auto named = named_by_tool()) candidates.push_back(*named);
    if (candidates.empty()) candidates = find_candidates(folder_);
    if (candidates.empty()) return nothing_found();
    web().kind = WebProcess::Kind::engine;
    detection_.candidates = std::move(candidates);
    return {};
  }

  // FLASK_APP, or FastAPI's entry in pyproject.toml.
  std::optional<Candidate> named_by_tool() const {
    if (auto app = options_.env.find("FLASK_APP"); app != options_.env.end())
      return Candidate{flask_target(app->second), "the variable FLASK_APP", Interface::wsgi, ""};
    for (std::string file : {".flaskenv", "pyproject.toml"}) {
      bool flask = file == ".flaskenv";
      auto text = folder_.find(file, 1 << 20);
      auto section = text && !flask ? text->find("[tool.fastapi]") : 0;
      if (!text || section == text->npos) continue;
      std::string_view marker = flask ? "FLASK_APP" : "entrypoint";
      auto at = text->find(marker, section);
      if (at == text->npos) continue;
      auto value = trim(std::string_view(*text).substr(at + marker.size(), text->find('\n', at) - at - marker.size()));
      value = trim(value.substr(std::min(value.find_first_not_of("= \"'"), value.size())));
      value = value.substr(0, value.find_first_of("\"'"));
      if (!value.empty())
        return Candidate{flask ? flask_target(std::string(value)) : std::string(value),
                         file + " " + std::string(marker), flask ? Interface::wsgi : Interface::asgi, ""};
    }
    return {};
  }

  static std::string flask_target(std::string app) {
    auto colon = app.find(':');
    auto module = app.substr(0, colon);
    if (module.ends_with(".py")) module.resize(module.size() - 3);
    return replace_all(module, "/", ".") + (colon == app.npos ? "" : app.substr(colon));
  }

  base::Result<void> nothing_found() {
    bool background_only = has_procfile_ || !manifest().table("processes").empty();
    if (!background_only) {
      return std::unexpected(base::Error(
          base::Kind::not_found,
          "no web app was found: no Procfile, no manage.py, and no app object or factory in the Python files",
          std::string(name_app)));
    }
    add({Finding::Level::found, "web", "none: background processes only", "Procfile", std::string(name_app)});
    return {};
  }

  // ---- processes and phases ----

  base::Result<void> read_processes() {
    auto named = manifest().table("processes");
    for (const auto& line : procfile_) {
      bool is_process =
          line.name != "web" && line.name != "release" && line.name != "wsgi" && !named.contains(line.name);
      if (!is_process) continue;
      add_process(line.name, line.command, fmt::format("Procfile:{}", line.line));
    }
    for (const auto& [name, text] : named) {
      auto where = manifest().where("processes." + name);
      if (auto command = CommandLine::parse(text); !command) return base::wrap(command.error(), where);
      add_process(name, text, where);
    }
    return {};
  }

  void add_process(const std::string& name, const std::string& command, const std::string& evidence) {
    config().processes.push_back({name, command});
    manifest().set_detected("processes." + name, command, evidence);
    add({Finding::Level::found, "process", fmt::format("{}: {}", name, command), evidence,
         "[processes] in serai.toml"});
  }

  base::Result<void> read_phases() {
    if (auto done = read_phase_list("phases.build", config().build_phases); !done) return done;
    if (auto done = read_phase_list("phases.release", config().release_phases); !done) return done;
    auto line = procfile_line("release");
    if (manifest().find("phases.release") || !line) return {};
    return add_phase(line->command, fmt::format("Procfile:{}", line->line), config().release_phases);
  }

  base::Result<void> read_phase_list(const std::string& path, std::vector<Phase>& phases) {
    for (const auto& text : manifest().list(path).value_or(std::vector<std::string>())) {
      if (auto done = add_phase(text, manifest().where(path), phases); !done) return done;
    }
    return {};
  }

  base::Result<void> add_phase(const std::string& text, const std::string& evidence, std::vector<Phase>& phases) {
    if (auto command = CommandLine::parse(text); !command) return base::wrap(command.error(), evidence);
    phases.push_back({text, "", text, evidence});
    add({Finding::Level::found, &phases == &config().build_phases ? "build phase" : "release phase", text, evidence,
         "[phases] in serai.toml"});
    return {};
  }

  // ---- what is left of serai.toml ----

  void fill_config() {
    auto& c = config();
    c.name = manifest().text("name").value_or("app");
    c.env["PYTHONUNBUFFERED"] = "1";
    c.env["PYTHONFAULTHANDLER"] = "1";
    for (const auto& [name, variable] : manifest().variables()) {
      if (variable.kind == Variable::Kind::plain) c.env[name] = variable.value;
      if (variable.kind != Variable::Kind::plain) c.secrets[name] = variable;
    }
    c.hosts = manifest().list("routes.hosts").value_or(std::vector<std::string>());
    c.paths = manifest().list("routes.paths").value_or(std::vector<std::string>{"/"});
    c.kind = manifest().text("environment.kind").value_or("");
    c.limits = {manifest().number("allocation.cpu"), manifest().size("allocation.memory"),
                manifest().integer("allocation.nice"), manifest().integer("allocation.io_weight")};
    c.static_files = manifest().table("web.static");
    for (const auto& [name, path] : manifest().table("environment.volumes")) {
      std::string inside;
      if (normalize_inside(std::string_view(path).substr(5), inside)) c.data_folders.push_back(inside);
    }
    fill_network();
    fill_base();
    fill_web();
  }

  void fill_base() {
    auto& c = config();
    c.base = manifest().text("environment.base").value_or("");
    if (!c.base.empty())
      add({Finding::Level::found, "base", c.base, manifest().where("environment.base"),
           "[environment] base in serai.toml"});
  }

  // Said at every deploy: whoever may change the file decides what of the host the app reaches.
  void fill_network() {
    auto& c = config();
    if (manifest().text("environment.network") == "host") c.network = "host";
    c.services = manifest().list("environment.services").value_or(std::vector<std::string>());
    if (!c.network.empty())
      add({Finding::Level::found, "network", "the host's, with all that listens on it",
           manifest().where("environment.network"), "[environment] network in serai.toml"});
    for (const auto& service : c.services)
      add({Finding::Level::found, "service", service + " of the host", manifest().where("environment.services"),
           "[environment] services in serai.toml"});
  }

  void fill_web() {
    auto& w = web();
    auto workers = manifest().integer("web.workers");
    if (!workers) workers = manifest().integer("allocation.workers");
    if (workers) w.workers = static_cast<int>(*workers);
    if (auto threads = manifest().integer("web.threads")) w.threads = static_cast<int>(*threads);
    if (auto health = manifest().text("web.health")) w.health = *health;
    w.health_timeout = manifest().duration("web.health_timeout").value_or(w.health_timeout);
    w.request_timeout = manifest().duration("web.request_timeout").value_or(w.request_timeout);
    w.websocket_timeout = manifest().duration("web.websocket_timeout").value_or(w.websocket_timeout);
    w.graceful_timeout = manifest().duration("web.graceful_timeout").value_or(w.graceful_timeout);
    w.max_in_flight = manifest().integer("web.max_in_flight");
    w.max_body = manifest().size("web.max_body").value_or(w.max_body);
  }

  void add(Finding finding) { detection_.findings.push_back(std::move(finding)); }
  Manifest& manifest() { return manifest_; }
  Config& config() { return detection_.config; }
  WebProcess& web() { return detection_.config.web; }

  const Folder& folder_;
  const DetectOptions& options_;
  Lookup environment_;
  Manifest manifest_;
  Detection detection_;
  std::vector<ProcfileLine> procfile_;
  bool has_procfile_ = false;
  std::optional<DjangoProject> django_;
};

}  // namespace

base::Result<Detection> detect(const Folder& folder, const DetectOptions& options) {
  return Detector(folder, options).run();
}

std::string app_name_from(std::string_view text) {
  std::string name;
  for (unsigned char c : text) {
    if (std::isalnum(c) && c < 0x80) {
      name += static_cast<char>(std::tolower(c));
    } else if (!name.empty() && !name.ends_with('-')) {
      name += '-';
    }
  }
  name.resize(std::min<std::size_t>(name.size(), 40));
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "app" : name;
}

}  // namespace app
