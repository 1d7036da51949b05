#include "app/schema.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "app/host_service.h"
#include "app/image_reference.h"
#include "app/route_path.h"
#include "app/text.h"

namespace app {
namespace {

using Problem = std::optional<std::string>;

constexpr std::size_t longest_host = 253;          // RFC 1035, and the edge's limit
constexpr std::chrono::hours longest_timeout{24};  // the edge's limit
constexpr std::size_t most_services = 32;
constexpr std::int64_t most_processes = 1024;  // of one kind; more is a slip of the keyboard

const std::string& text_of(const Value& value) { return std::get<std::string>(value); }

bool is_name(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [&](unsigned char c) {
    return std::isalnum(c) || also.contains(static_cast<char>(c));
  });
}

Problem check_app_name(std::string_view, const Value& value) {
  const auto& name = text_of(value);
  bool good =
      is_name(name, "-") && name.size() <= 40 && to_lower(name) == name && name.front() != '-' && name.back() != '-';
  if (good) return {};
  return "must be lower-case letters, digits and '-' (at most 40, not at either end), since it becomes a host name";
}

Problem check_app_object(std::string_view, const Value& value) {
  auto parts = split(text_of(value), ':');
  if (is_name(parts[0], "._") && parts.size() <= 2) return {};
  return "must be \"module:attribute\", for example \"mysite.wsgi:application\"";
}

Problem check_health(std::string_view, const Value& value) {
  const auto& path = text_of(value);
  bool is_line = std::ranges::all_of(path, [](unsigned char c) { return c > ' ' && c != 0x7f && c != '#'; });
  if (path.starts_with('/') && is_line) return {};
  return "must start with '/' and hold no spaces";
}

constexpr std::string_view path_rule = "must start with '/' and hold no '?', '#', spaces, \"//\" or \"..\"";

Problem check_paths(std::string_view, const Value& value) {
  for (const auto& path : std::get<std::vector<std::string>>(value)) {
    if (!is_route_path(path)) return fmt::format("\"{}\" {}", path, path_rule);
  }
  return {};
}

Problem check_hosts(std::string_view, const Value& value) {
  for (const auto& host : std::get<std::vector<std::string>>(value)) {
    bool name = is_name(host, "-.") && host.size() <= longest_host && !host.starts_with('.') && !host.ends_with('.') &&
                !host.contains("..");
    if (!name) return fmt::format("\"{}\" must be a host name without scheme, port or path", host);
  }
  return {};
}

Problem check_static(std::string_view prefix, const Value& value) {
  if (!is_route_path(prefix)) return fmt::format("the URL prefix \"{}\" {}", prefix, path_rule);
  std::string inside;
  if (normalize_inside(text_of(value), inside) && !inside.empty()) return {};
  return "must be a folder inside the app, relative to it, for example \"staticfiles\"";
}

Problem check_volume(std::string_view, const Value& value) {
  std::string_view path = text_of(value);
  std::string inside;
  if (path.starts_with("/app/") && normalize_inside(path.substr(5), inside) && !inside.empty()) return {};
  return "must be a folder below /app, where the app's code lies, for example \"/app/media\"";
}

Problem check_variable_name(std::string_view name, const Value&) {
  if (is_name(name, "_") && !std::isdigit(static_cast<unsigned char>(name.front()))) return {};
  return "is not a variable's name: use letters, digits and '_', not starting with a digit";
}

Problem check_process_name(std::string_view name, const Value& value) {
  if (!is_name(name, "-_")) return "is not a process name: use letters, digits, '-' and '_'";
  if (name == "web") return "is the web process: name its app with [web] app, or its command in a Procfile";
  if (trim(text_of(value)).empty()) return "has no command";
  return {};
}

Problem check_positive(std::string_view, const Value& value) {
  if (auto number = std::get_if<double>(&value)) return *number > 0 ? Problem() : "must be above 0";
  if (auto number = std::get_if<std::int64_t>(&value)) return *number > 0 ? Problem() : "must be at least 1";
  return {};
}

Problem check_count(std::string_view key, const Value& value) {
  auto number = std::get_if<std::int64_t>(&value);
  if (number && *number > most_processes) return fmt::format("must be at most {}", most_processes);
  return check_positive(key, value);
}

Problem check_timeout(std::string_view, const Value& value) {
  auto duration = std::get<std::chrono::milliseconds>(value);
  if (duration.count() <= 0) return "must be above 0";
  if (duration > longest_timeout) return "must be at most 1d";
  return {};
}

Problem check_between(const Value& value, std::int64_t least, std::int64_t most) {
  auto number = std::get<std::int64_t>(value);
  if (number >= least && number <= most) return {};
  return fmt::format("must be between {} and {}", least, most);
}

Problem check_nice(std::string_view, const Value& value) { return check_between(value, -20, 19); }
Problem check_io_weight(std::string_view, const Value& value) { return check_between(value, 1, 10'000); }

Problem check_memory(std::string_view, const Value& value) {
  if (std::get<Bytes>(value).count >= 16 << 20) return {};
  return "must be at least 16MiB: an empty Python process needs about 10MiB";
}

Problem check_services(std::string_view, const Value& value) {
  const auto& services = std::get<std::vector<std::string>>(value);
  if (services.size() > most_services) return fmt::format("must be at most {}", most_services);
  for (const auto& service : services) {
    if (!parse_service(service))
      return fmt::format("\"{}\" must be a loopback address of the host with its port, for example \"localhost:5432\"",
                         service);
  }
  return {};
}

Problem check_base(std::string_view, const Value& value) {
  auto reference = ImageReference::parse(text_of(value));
  if (reference) return {};
  return "must be REGISTRY/NAME:TAG: " + reference.error().message();
}

constexpr std::string_view no_tables = "write one number: ranges belong to dynamic allocation";

constexpr std::array table{
    Setting{.path = "name",
            .type = Type::text,
            .effect = Effect::restart,
            .help = "The app's name; by default the folder's name.",
            .example = "\"shop\"",
            .check = check_app_name},
    Setting{.path = "python",
            .type = Type::text,
            .effect = Effect::build,
            .help = "The Python version, or a range of versions; by default what .python-version or pyproject.toml "
                    "asks for.",
            .example = "\"3.13\""},

    Setting{.path = "web.app",
            .type = Type::text,
            .effect = Effect::restart,
            .help = "The app object as module:attribute; a factory is written module:create().",
            .example = "\"shop.asgi:application\"",
            .check = check_app_object},
    Setting{.path = "web.server",
            .type = Type::choice,
            .effect = Effect::restart,
            .default_value = "auto",
            .help = "\"own\" runs the Procfile's web command as it stands, with PORT and HOST set, even if Serai "
                    "could serve its app.",
            .example = "\"own\"",
            .choices = "auto own"},
    Setting{.path = "web.health",
            .type = Type::text,
            .effect = Effect::reload,
            .help = "A path that answers below 500 when the app is well; by default the first answer below 500 on "
                    "\"/\" with the app's own Host.",
            .example = "\"/up\"",
            .check = check_health},
    Setting{.path = "web.health_timeout",
            .type = Type::duration,
            .effect = Effect::reload,
            .default_value = "60s",
            .help = "How long a new release may take to answer; a deploy that takes longer is given up.",
            .example = "\"2m\"",
            .check = check_timeout},
    Setting{.path = "web.workers",
            .type = Type::count,
            .effect = Effect::restart,
            .default_value = "auto",
            .help = "Worker processes.",
            .example = "2",
            .variable = "WEB_CONCURRENCY",
            .check = check_count},
    Setting{.path = "web.threads",
            .type = Type::count,
            .effect = Effect::restart,
            .default_value = "auto",
            .help = "Threads per worker of a WSGI app.",
            .example = "8",
            .check = check_count},
    Setting{.path = "web.static.*",
            .type = Type::text_table,
            .effect = Effect::reload,
            .help = "Folders that the edge serves itself, by URL prefix.",
            .example = "{ \"/static\" = \"staticfiles\" }",
            .check = check_static},
    Setting{.path = "web.request_timeout",
            .type = Type::duration,
            .effect = Effect::reload,
            .default_value = "30s",
            .help = "How long the app may take to begin its answer.",
            .example = "\"30s\"",
            .check = check_timeout},
    Setting{.path = "web.websocket_timeout",
            .type = Type::duration,
            .effect = Effect::reload,
            .default_value = "1h",
            .help = "How long a WebSocket may be silent, both ways, before it is closed. Pings count.",
            .example = "\"1h\"",
            .check = check_timeout},
    Setting{.path = "web.max_in_flight",
            .type = Type::integer,
            .effect = Effect::reload,
            .default_value = "half of the edge's connections",
            .help = "Requests that the app answers at a time; further ones get 503.",
            .example = "1000",
            .check = check_positive},
    Setting{.path = "web.graceful_timeout",
            .type = Type::duration,
            .effect = Effect::restart,
            .default_value = "30s",
            .help = "How long requests in flight may go on when a worker retires.",
            .example = "\"30s\"",
            .check = check_timeout},
    Setting{.path = "web.max_body",
            .type = Type::size,
            .effect = Effect::reload,
            .default_value = "32MiB",
            .help = "The largest request body.",
            .example = "\"32MiB\""},

    Setting{.path = "processes.*",
            .type = Type::text_table,
            .effect = Effect::restart,
            .help = "Background processes by name, as in a Procfile; one of the same name replaces the Procfile's.",
            .example = "\"python manage.py process_mail\"",
            .check = check_process_name},
    Setting{.path = "schedule",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "Jobs by cron expression.",
            .later = "run the job in a background process of [processes] meanwhile"},

    Setting{.path = "phases.build",
            .type = Type::text_list,
            .effect = Effect::build,
            .help = "Commands after the dependencies are installed; what they write into the app's folder becomes "
                    "part of the release. Replaces the detected ones.",
            .example = "[\"python manage.py collectstatic --noinput\"]"},
    Setting{.path = "phases.release",
            .type = Type::text_list,
            .effect = Effect::build,
            .help = "Commands that run once per deploy, before traffic moves; a failing one ends the deploy. "
                    "Replaces the detected ones.",
            .example = "[\"python manage.py migrate --noinput\"]"},

    Setting{.path = "environment.kind",
            .type = Type::choice,
            .effect = Effect::restart,
            .default_value = "where it runs, else shared",
            .help = "The kind of place in which the app lives. `serai deploy --environment` is stronger; without both "
                    "the app stays in the kind it runs in (`serai move`).",
            .example = "\"dedicated\"",
            .choices = "shared dedicated container vm",
            .later_choices = "kubernetes"},
    Setting{.path = "environment.base",
            .type = Type::text,
            .effect = Effect::build,
            .default_value = "a small Debian",
            .help = "The image in a registry whose system containers and virtual machines have: any with glibc, no "
                    "older than the host's. A Python, and the libraries that Serai needs, are added where it lacks "
                    "them; its own variables and commands are not used. Looked up at each deploy, unless a digest "
                    "is named.",
            .example = "\"registry.example.org/team/base:12\"",
            .check = check_base},
    Setting{.path = "environment.packages",
            .type = Type::anything,
            .effect = Effect::build,
            .help = "System packages.",
            .later = "install them on the host for now"},
    Setting{.path = "environment.volumes.*",
            .type = Type::text_table,
            .effect = Effect::restart,
            .help = "Folders that are kept across releases, by name; what the app writes beside its code is kept "
                    "anyway.",
            .example = "\"/app/media\"",
            .check = check_volume},
    Setting{.path = "environment.network",
            .type = Type::choice,
            .effect = Effect::restart,
            .default_value = "own",
            .help =
                "\"own\": a network of its own: loopback is the app's, and it may connect out, but not to the host or "
                "to other apps. \"host\": the host's network, with all that listens on it.",
            .example = "\"host\"",
            .choices = "own host"},
    Setting{.path = "environment.services",
            .type = Type::text_list,
            .effect = Effect::restart,
            .help = "Services on the host's loopback (TCP) that the app may reach, at the same address, from a network "
                    "of its own.",
            .example = "[\"localhost:5432\"]",
            .check = check_services},

    Setting{.path = "allocation.mode",
            .type = Type::choice,
            .effect = Effect::restart,
            .default_value = "static",
            .help = "How resources are given.",
            .example = "\"static\"",
            .choices = "static",
            .later_choices = "dynamic"},
    Setting{.path = "allocation.cpu",
            .type = Type::number,
            .effect = Effect::restart,
            .help = "CPU cores; by default the host's share for one app. In a dedicated environment a whole number: so "
                    "many CPUs are its own.",
            .example = "1.0",
            .later = no_tables,
            .check = check_positive},
    Setting{.path = "allocation.memory",
            .type = Type::size,
            .effect = Effect::restart,
            .help = "Memory; by default the host's share for one app.",
            .example = "\"512MiB\"",
            .later = no_tables,
            .check = check_memory},
    Setting{.path = "allocation.nice",
            .type = Type::integer,
            .effect = Effect::restart,
            .help = "The priority of its processes (nice(2)); below 0 they go before others'. Dedicated only.",
            .example = "-5",
            .check = check_nice},
    Setting{.path = "allocation.io_weight",
            .type = Type::integer,
            .effect = Effect::restart,
            .help = "Its share of a busy disk beside others, who have 100. Dedicated only; cgroup v2 only.",
            .example = "500",
            .check = check_io_weight},
    Setting{.path = "allocation.workers",
            .type = Type::integer,
            .effect = Effect::restart,
            .help = "Worker processes; the same as web.workers, which wins.",
            .example = "2",
            .later = no_tables,
            .check = check_count},
    Setting{.path = "allocation.target",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "The latency that dynamic allocation aims at.",
            .later = "give cpu, memory and workers as numbers"},

    Setting{.path = "routes.hosts",
            .type = Type::text_list,
            .effect = Effect::reload,
            .help = "Host names of the app beside NAME.localhost; `serai domains` adds more.",
            .example = "[\"shop.example.org\"]",
            .check = check_hosts},
    Setting{.path = "routes.paths",
            .type = Type::text_list,
            .effect = Effect::reload,
            .default_value = "[\"/\"]",
            .help = "Path prefixes that lead to the app.",
            .example = "[\"/\"]",
            .check = check_paths},

    Setting{.path = "security.scan",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "Vulnerabilities that stop a deploy.",
            .later = "remove it: dependencies are not scanned yet"},
    Setting{.path = "security.patch",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "Automatic patching.",
            .later = "remove it: nothing is patched automatically yet"},
    Setting{.path = "security.egress",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "Where the app may connect to.",
            .later = "remove it: connections out are allowed"},
    Setting{.path = "security.tls",
            .type = Type::anything,
            .effect = Effect::restart,
            .help = "Certificates and protocols.",
            .later = "remove it: the certificates of all apps are given to `serai daemon --certificate`"},

    Setting{.path = "env.*",
            .type = Type::variable,
            .effect = Effect::restart,
            .help = "Variables of the app's environment: a text, { generate = 50 } for a secret of that many "
                    "characters made once, or { required = true } for one that `serai env set` must give.",
            .example = "\"0\"",
            .secret = true,
            .check = check_variable_name},
};

bool is_below(std::string_view path, std::string_view wildcard) {
  return wildcard.ends_with(".*") && path.size() > wildcard.size() - 1 &&
         path.starts_with(wildcard.substr(0, wildcard.size() - 1));
}

// Every path and every table that holds one: "web.health", "web", …
std::vector<std::string> known_paths() {
  std::vector<std::string> known;
  for (const auto& setting : table) {
    std::string_view path = setting.path;
    if (path.ends_with(".*")) path.remove_suffix(2);
    for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1))
      known.emplace_back(path.substr(0, dot));
    known.emplace_back(path);
  }
  std::ranges::sort(known);
  known.erase(std::ranges::unique(known).begin(), known.end());
  return known;
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

std::span<const Setting> settings() { return table; }

const Setting* find_setting(std::string_view path) {
  auto found = std::ranges::find_if(table, [&](const Setting& s) { return s.path == path || is_below(path, s.path); });
  return found == table.end() ? nullptr : &*found;
}

bool is_table(std::string_view path) {
  return std::ranges::any_of(table, [&](const Setting& s) {
    return s.path.size() > path.size() && s.path.starts_with(path) && s.path[path.size()] == '.';
  });
}

std::string nearest_setting(std::string_view path) {
  auto known = known_paths();
  // The right key in the wrong table: "health" at the top, "web.hosts".
  auto same_key = std::ranges::find_if(
      known, [&](const std::string& k) { return k.contains('.') && last_part(k) == last_part(path); });
  if (same_key != known.end()) return *same_key;
  auto parent = path.substr(0, path.size() - last_part(path).size());
  std::vector<std::string> siblings;
  for (const auto& candidate : known) {
    if (candidate.size() > parent.size() && candidate.starts_with(parent))
      siblings.push_back(candidate.substr(parent.size()));
  }
  if (auto near = nearest(last_part(path), siblings); !near.empty()) return std::string(parent) + near;
  return nearest(path, known);
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::text:
      return "a text";
    case Type::choice:
      return "a word";
    case Type::integer:
      return "a whole number";
    case Type::number:
      return "a number";
    case Type::count:
      return "\"auto\" or a whole number";
    case Type::duration:
      return "a duration with its unit, such as \"30s\" or \"500ms\"";
    case Type::size:
      return "a size with its unit, such as \"32MiB\"";
    case Type::text_list:
      return "a list of texts, such as [\"one\", \"two\"]";
    case Type::text_table:
      return "a text";
    case Type::variable:
      return "a text, { generate = 50 } or { required = true }";
    case Type::anything:
      return "a setting of a later version";
  }
  return "";
}

}  // namespace app
