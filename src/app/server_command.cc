#include "app/server_command.h"

#include <algorithm>
#include <array>
#include <map>

#include "app/python_source.h"
#include "app/server_options.h"
#include "app/text.h"

namespace app {
namespace {

using std::chrono::milliseconds;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_python(const std::string& word) {
  auto name = base_name(word);
  return name.starts_with("python") && name.find_first_not_of("0123456789.", 6) == name.npos;
}

// Drops what stands before the server itself: `uv run --frozen`, `poetry run`, `python -m`.
void drop_launchers(std::vector<std::string>& words) {
  constexpr std::array<std::string_view, 6> runners = {"uv", "poetry", "pipenv", "pdm", "hatch", "rye"};
  if (words.size() > 2 && std::ranges::find(runners, words[0]) != runners.end() && words[1] == "run") {
    words.erase(words.begin(), words.begin() + 2);
    while (words.size() > 1 && words[0].starts_with("--")) words.erase(words.begin());  // uv's own switches
  }
  if (words.size() > 2 && is_python(words[0]) && words[1] == "-m") words.erase(words.begin(), words.begin() + 2);
}

// The value of a word that is a variable as a whole: ${WEB_CONCURRENCY}, ${WORKERS:-4}.
std::string resolve(const std::string& word, const Lookup& environment) {
  if (!word.contains("${")) return word;
  auto command = CommandLine::parse("\"" + word + "\"");
  return command ? command->argv(environment)[0] : word;
}

milliseconds seconds_of(double seconds) { return milliseconds(static_cast<std::int64_t>(seconds * 1000)); }

// One setting of a server, whether it came from an option or a configuration file. False: not taken over.
class Taker {
 public:
  Taker(ServerCommand& command, const Lookup& environment) : command_(command), environment_(environment) {}

  bool take(Meaning meaning, const std::string& written) {
    auto value = resolve(written, environment_);
    auto& web = command_.web;
    switch (meaning) {
      case Meaning::workers:
        return take_count(value, web.workers);
      case Meaning::threads:
        return take_count(value, web.threads);
      case Meaning::request_timeout:
        return take_seconds(value, web.request_timeout);
      case Meaning::graceful_timeout:
        return take_seconds(value, web.graceful_timeout);
      case Meaning::worker_class:
        return take_worker_class(value);
      case Meaning::app_dir:
        return take_folder(value, web.app_dir);
      case Meaning::folder:
        return take_folder(value, web.folder);
      case Meaning::root_path:
        return assign(web.root_path, value);
      case Meaning::lifespan:
        return assign(web.lifespan, value);
      case Meaning::preload:
        return assign(web.preload, "on");
      case Meaning::config_file:
        return assign(command_.config_file, value);
      case Meaning::app:
        return assign(web.app, value);
      case Meaning::factory:
        return web.factory = true;
      case Meaning::interface:
        return take_interface(value);
      case Meaning::variable:
        return take_variable(value);
      case Meaning::file:
        return assign(file_, value);
      case Meaning::callable:
        return assign(callable_, value);
      case Meaning::ignored:
      case Meaning::needs_server:
        break;
    }
    return false;
  }

  // uWSGI and FastAPI name file and callable apart.
  void join_file_and_callable() {
    auto& app = command_.web.app;
    if (!file_.empty()) app = module_of(file_);
    if (!app.empty() && !callable_.empty() && !app.contains(':')) app += ":" + callable_;
  }

  static std::string module_of(std::string path) {
    std::string inside;
    if (normalize_inside(path, inside)) path = inside;
    if (path.ends_with(".py")) path.resize(path.size() - 3);
    return replace_all(path, "/", ".");
  }

 private:
  static bool assign(std::string& into, const std::string& value) {
    into = value;
    return !value.empty();
  }
  static bool take_count(const std::string& value, std::optional<int>& into) {
    long long number;
    if (!parse_number(value, number) || number < 1 || number > 1024) return false;
    into = static_cast<int>(number);
    return true;
  }
  static bool take_seconds(const std::string& value, milliseconds& into) {
    double seconds;
    if (!parse_number(value, seconds) || seconds < 0.001 || seconds > 86'400) return false;  // 0 stands for no limit
    into = seconds_of(seconds);
    return true;
  }
  static bool take_folder(const std::string& value, std::string& into) {
    return normalize_inside(value.starts_with("/app/") ? value.substr(5) : value, into);
  }
  bool take_worker_class(const std::string& value) {
    if (to_lower(value).contains("uvicorn") || to_lower(value).contains("asgi"))
      command_.web.interface = Interface::asgi;
    return value == "sync" || value == "gthread" || command_.web.interface == Interface::asgi;
  }
  bool take_interface(const std::string& value) {
    auto found = interface_of(value == "asgi3" ? "asgi" : value);
    if (found) command_.web.interface = *found;
    return found.has_value();
  }
  bool take_variable(const std::string& value) {
    auto equals = value.find('=');
    if (equals == value.npos || equals == 0) return false;
    command_.web.env[value.substr(0, equals)] = value.substr(equals + 1);
    return true;
  }

  ServerCommand& command_;
  const Lookup& environment_;
  std::string file_, callable_;
};

std::string not_taken_reason(Meaning meaning) {
  if (meaning == Meaning::worker_class) return "requests run on Serai's own threads and event loop";
  return "its value is not known before the start";
}

// Walks over a server's arguments.
class ArgumentReader {
 public:
  ArgumentReader(const ServerFacts& server, ServerCommand& command, Taker& taker)
      : server_(server), command_(command), taker_(taker) {}

  // False with a reason when the server itself is needed.
  bool read(const std::vector<std::string>& words, std::string& reason) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!words[i].starts_with('-') || words[i] == "-") {
        positional_.push_back(words[i]);
        continue;
      }
      if (!read_option(words, i, reason)) return false;
    }
    return true;
  }
  const std::vector<std::string>& positional() const { return positional_; }

 private:
  bool read_option(const std::vector<std::string>& words, std::size_t& i, std::string& reason) {
    auto name = words[i];
    std::optional<std::string> value;
    if (auto equals = name.find('='); equals != name.npos && name.starts_with("--")) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    auto option = find_option(server_, name);
    bool glued = !option && name.size() > 2 && name[1] != '-';  // -w4
    if (glued) {
      value = name.substr(2);
      name.resize(2);
      option = find_option(server_, name);
    }
    if (!option || option->meaning == Meaning::needs_server) {
      reason = fmt::format("{}'s option {} has no counterpart in Serai's server", server_.program, name);
      return false;
    }
    if (option->takes_value && !value) {
      if (i + 1 >= words.size())
        return reason = fmt::format("{}'s option {} has no value", server_.program, name), false;
      value = words[++i];
    }
    take(*option, name, value.value_or(""));
    return true;
  }

  void take(const ServerOption& option, const std::string& name, const std::string& value) {
    auto shown = value.empty() ? name : name + " " + value;
    if (taker_.take(option.meaning, value)) {
      command_.understood.push_back(shown);
    } else {
      auto why = option.reason.empty() ? not_taken_reason(option.meaning) : std::string(option.reason);
      command_.ignored.push_back(fmt::format("{}: {}", shown, why));
    }
  }

  const ServerFacts& server_;
  ServerCommand& command_;
  Taker& taker_;
  std::vector<std::string> positional_;
};

// What the words that are no options say, server by server. False with a reason when it is not about serving.
bool take_positional(const ServerFacts& server, ServerCommand& command, std::vector<std::string> words,
                     std::string& reason) {
  auto& web = command.web;
  if (server.program == "flask" || server.program == "fastapi") {
    if (words.empty() || (words[0] != "run" && words[0] != "dev"))
      return reason = fmt::format("`{} {}` does not serve", server.program, words.empty() ? "" : words[0]), false;
    words.erase(words.begin());
  }
  if (server.program == "uwsgi" && !words.empty() && words[0].ends_with(".ini")) {
    command.config_file = words[0];
    return true;
  }
  if (words.size() > 1)
    return reason = fmt::format("{} gets more than one app: {}", server.program, join(words, " ")), false;
  if (words.empty()) return true;
  auto app = words[0];
  for (std::string_view scheme : {"asgi:", "wsgi:"}) {  // hypercorn
    if (!app.starts_with(scheme)) continue;
    web.interface = *interface_of(scheme.substr(0, 4));
    app.erase(0, scheme.size());
  }
  web.app = server.program == "fastapi" || app.ends_with(".py") ? Taker::module_of(app) : app;
  return true;
}

void complete_app(const ServerFacts& server, WebProcess& web) {
  if (!web.app.empty() && !web.app.contains(':') && !server.default_attribute.empty())
    web.app += fmt::format(":{}", server.default_attribute);
  if (web.app.ends_with(')')) web.factory = false;  // the call is written out
}

// Takes over from a configuration file what the command line left at its default.
void adopt(ServerCommand& command, ServerCommand file) {
  auto& web = command.web;
  WebProcess standard;
  if (web.app.empty()) web.app = file.web.app;
  if (!web.workers) web.workers = file.web.workers;
  if (!web.threads) web.threads = file.web.threads;
  if (web.request_timeout == standard.request_timeout) web.request_timeout = file.web.request_timeout;
  if (web.graceful_timeout == standard.graceful_timeout) web.graceful_timeout = file.web.graceful_timeout;
  if (web.interface == Interface::automatic) web.interface = file.web.interface;
  if (web.preload == standard.preload) web.preload = file.web.preload;
  if (web.folder.empty()) web.folder = file.web.folder;
  if (web.app_dir.empty()) web.app_dir = file.web.app_dir;
  web.env.merge(file.web.env);
  std::ranges::move(file.understood, std::back_inserter(command.understood));
  std::ranges::move(file.ignored, std::back_inserter(command.ignored));
}

// "graceful_timeout" → "--graceful-timeout"; a few settings are spelt otherwise than their options.
std::string gunicorn_option_name(const std::string& setting) {
  static const std::map<std::string_view, std::string_view> odd = {
      {"keepalive", "--keep-alive"},   {"loglevel", "--log-level"}, {"accesslog", "--access-logfile"},
      {"errorlog", "--error-logfile"}, {"raw_env", "--env"},        {"preload_app", "--preload"},
      {"proc_name", "--name"},         {"pidfile", "--pid"},        {"logconfig", "--log-config"}};
  if (auto found = odd.find(setting); found != odd.end()) return std::string(found->second);
  return "--" + replace_all(setting, "_", "-");
}

bool is_runserver(const std::vector<std::string>& words) {
  return words.size() > 2 && is_python(words[0]) && base_name(words[1]) == "manage.py" && words[2] == "runserver";
}

std::optional<ServerCommand> runserver(const std::vector<std::string>& words) {
  ServerCommand command{"runserver"};
  command.web.kind = WebProcess::Kind::engine;
  command.ignored.push_back(join(words, " ") +
                            ": Django's development server; the site's WSGI or ASGI application is served instead");
  return command;
}

}  // namespace

std::optional<ServerCommand> recognize_server(const CommandLine& line, const Lookup& environment, std::string& reason) {
  auto words = line.words();
  drop_launchers(words);
  if (is_runserver(words)) return runserver(words);
  auto server = find_server(base_name(words[0]));
  if (!server) return {};
  ServerCommand command{std::string(server->program)};
  command.web.kind = WebProcess::Kind::engine;
  command.web.folder = line.folder();
  for (auto& [name, value] : line.assignments(environment)) command.web.env[name] = value;
  Taker taker(command, environment);
  ArgumentReader arguments(*server, command, taker);
  if (!arguments.read(words, reason) || !take_positional(*server, command, arguments.positional(), reason)) return {};
  taker.join_file_and_callable();
  complete_app(*server, command.web);
  return command;
}

void take_gunicorn_config(ServerCommand& command, std::string_view text, const std::string& file) {
  auto gunicorn = find_server("gunicorn");
  auto unset = lookup_in({});
  ServerCommand from_file{command.server};
  Taker taker(from_file, unset);
  auto source = PythonSource::parse(text);
  for (const auto& assignment : source.assignments) {
    if (assignment.name.starts_with('_')) continue;
    auto shown = fmt::format("{}:{} {}", file, assignment.line, assignment.name);
    if (assignment.name == "wsgi_app" && assignment.literal) {
      from_file.web.app = *assignment.literal;
      from_file.understood.push_back(shown);
      continue;
    }
    auto option = find_option(*gunicorn, gunicorn_option_name(assignment.name));
    if (!option) continue;  // a variable of the file's own
    bool off = option->meaning == Meaning::preload && assignment.literal == "False";
    if (off) continue;
    if (assignment.literal && taker.take(option->meaning, *assignment.literal)) {
      from_file.understood.push_back(fmt::format("{} = {}", shown, *assignment.literal));
    } else {
      auto why = !option->reason.empty() ? std::string(option->reason)
                 : assignment.literal    ? not_taken_reason(option->meaning)
                                         : "it is computed; write a number, or [web] in serai.toml";
      from_file.ignored.push_back(fmt::format("{}: {}", shown, why));
    }
  }
  for (const auto& definition : source.definitions) {
    if (!definition.is_class)
      from_file.ignored.push_back(
          fmt::format("{}:{} {}(): gunicorn's hooks are not called", file, definition.line, definition.name));
  }
  adopt(command, std::move(from_file));
}

void take_uwsgi_ini(ServerCommand& command, std::string_view text, const std::string& file) {
  auto uwsgi = find_server("uwsgi");
  auto unset = lookup_in({});
  ServerCommand from_file{command.server};
  Taker taker(from_file, unset);
  bool in_section = false;
  int number = 0;
  for (auto line : split_lines(text)) {
    ++number;
    line = trim(line);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
    if (line.starts_with('[')) {
      in_section = line == "[uwsgi]";
      continue;
    }
    auto equals = line.find('=');
    if (!in_section || equals == line.npos) continue;
    auto name = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    auto shown = fmt::format("{}:{} {} = {}", file, number, name, value);
    auto option = find_option(*uwsgi, fmt::format("--{}", name));
    bool computed = value.contains("%(") || value.contains("$(");
    if (option && !computed && taker.take(option->meaning, std::string(value))) {
      from_file.understood.push_back(shown);
    } else {
      from_file.ignored.push_back(
          fmt::format("{}: {}", shown, option && !option->reason.empty() ? option->reason : "uWSGI's own"));
    }
  }
  taker.join_file_and_callable();
  complete_app(*uwsgi, from_file.web);
  adopt(command, std::move(from_file));
}

std::vector<Finding> explain(const ServerCommand& command, const std::string& evidence) {
  std::vector<Finding> findings;
  for (const auto& text : command.understood)
    findings.push_back({Finding::Level::found, "server option", text, evidence, ""});
  for (const auto& text : command.ignored)
    findings.push_back({Finding::Level::ignored, "server option", text, evidence,
                        "[web] server = \"own\" in serai.toml runs the command as it stands"});
  return findings;
}

}  // namespace app
