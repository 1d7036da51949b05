#include "app/config.h"

#include <array>
#include <nlohmann/json.hpp>

#include "app/words.h"

namespace app {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::array<std::string_view, 4> interfaces = {"auto", "wsgi", "asgi", "asgi2"};
constexpr std::array<std::string_view, 3> web_kinds = {"none", "engine", "own"};
constexpr std::array<std::string_view, 3> variable_kinds = {"plain", "generate", "required"};

template <typename Type>
void put(json& object, const char* key, const std::optional<Type>& value) {
  if (value) object[key] = *value;
}
template <typename Type>
void take(const json& object, const char* key, std::optional<Type>& into) {
  if (!object.contains(key)) return;
  if constexpr (std::is_integral_v<Type>)
    into = whole<Type>(object.at(key));
  else
    into = object.at(key).get<Type>();
}

json web_json(const WebProcess& web) {
  json object = {{"kind", name_of(web.kind, web_kinds)},
                 {"app", web.app},
                 {"interface", interface_name(web.interface)},
                 {"factory", web.factory},
                 {"app_dir", web.app_dir},
                 {"root_path", web.root_path},
                 {"lifespan", web.lifespan},
                 {"preload", web.preload},
                 {"graceful_timeout_ms", web.graceful_timeout.count()},
                 {"command", web.command},
                 {"folder", web.folder},
                 {"env", web.env},
                 {"health", web.health},
                 {"health_timeout_ms", web.health_timeout.count()},
                 {"request_timeout_ms", web.request_timeout.count()},
                 {"websocket_timeout_ms", web.websocket_timeout.count()},
                 {"max_body", web.max_body}};
  put(object, "workers", web.workers);
  put(object, "threads", web.threads);
  put(object, "max_in_flight", web.max_in_flight);
  return object;
}

WebProcess web_from(const json& object) {
  WebProcess web;
  web.kind = value_of<WebProcess::Kind>(object.at("kind"), web_kinds);
  web.app = object.at("app");
  web.interface = value_of<Interface>(object.at("interface"), interfaces);
  web.factory = object.at("factory");
  web.app_dir = object.at("app_dir");
  web.root_path = object.at("root_path");
  web.lifespan = object.at("lifespan");
  web.preload = object.at("preload");
  web.graceful_timeout = milliseconds(whole<std::int64_t>(object.at("graceful_timeout_ms")));
  web.command = object.at("command");
  web.folder = object.at("folder");
  web.env = object.at("env").get<std::map<std::string, std::string>>();
  web.health = object.at("health");
  web.health_timeout = milliseconds(whole<std::int64_t>(object.at("health_timeout_ms")));
  web.request_timeout = milliseconds(whole<std::int64_t>(object.at("request_timeout_ms")));
  if (object.contains("websocket_timeout_ms"))  // older releases do not name it
    web.websocket_timeout = milliseconds(whole<std::int64_t>(object.at("websocket_timeout_ms")));
  web.max_body = whole<std::uint64_t>(object.at("max_body"));
  take(object, "workers", web.workers);
  take(object, "threads", web.threads);
  take(object, "max_in_flight", web.max_in_flight);
  return web;
}

json phases_json(const std::vector<Phase>& phases) {
  auto list = json::array();
  for (const auto& phase : phases)
    list.push_back(
        {{"command", phase.command}, {"folder", phase.folder}, {"text", phase.text}, {"evidence", phase.evidence}});
  return list;
}

std::vector<Phase> phases_from(const json& list) {
  std::vector<Phase> phases;
  for (const auto& one : list)
    phases.push_back({one.at("command"), one.at("folder"), one.at("text"), one.at("evidence")});
  return phases;
}

Config config_from(const json& object) {
  Config config;
  config.name = object.at("name");
  config.kind = object.value("kind", "");
  config.network = object.value("network", "");
  if (object.contains("services")) config.services = object.at("services");
  config.base = object.value("base", "");
  config.web = web_from(object.at("web"));
  for (const auto& one : object.at("processes")) config.processes.push_back({one.at("name"), one.at("command")});
  config.build_phases = phases_from(object.at("build_phases"));
  config.release_phases = phases_from(object.at("release_phases"));
  config.static_files = object.at("static_files").get<std::map<std::string, std::string>>();
  config.data_folders = object.at("data_folders");
  config.data_files = object.at("data_files");
  config.env = object.at("env").get<std::map<std::string, std::string>>();
  for (const auto& [name, rule] : object.at("secrets").items()) {
    config.secrets[name] = {
        value_of<Variable::Kind>(rule.at("kind"), variable_kinds), {}, whole<std::uint32_t>(rule.at("length"))};
  }
  config.hosts = object.at("hosts");
  config.paths = object.at("paths");
  take(object, "cpu", config.limits.cpu);
  take(object, "memory", config.limits.memory);
  take(object, "nice", config.limits.nice);
  take(object, "io_weight", config.limits.io_weight);
  return config;
}

}  // namespace

std::string_view interface_name(Interface value) { return interfaces[static_cast<std::size_t>(value)]; }

std::optional<Interface> interface_of(std::string_view name) {
  for (std::size_t i = 0; i < interfaces.size(); ++i) {
    if (interfaces[i] == name) return static_cast<Interface>(i);
  }
  return {};
}

std::vector<std::string> engine_arguments(const WebProcess& web) {
  std::vector<std::string> arguments = {web.app};
  auto add = [&](std::string_view option, std::string value) {
    arguments.emplace_back(option);
    arguments.push_back(std::move(value));
  };
  if (web.interface != Interface::automatic) add("--interface", std::string(interface_name(web.interface)));
  if (web.factory) arguments.emplace_back("--factory");
  if (web.workers) add("--workers", std::to_string(*web.workers));
  if (web.threads) add("--threads", std::to_string(*web.threads));
  if (!web.app_dir.empty()) add("--app-dir", web.app_dir);
  if (!web.root_path.empty()) add("--root-path", web.root_path);
  if (web.lifespan != "auto") add("--lifespan", web.lifespan);
  if (web.preload != "auto") add("--preload", web.preload);
  add("--graceful-timeout", fmt::format("{:g}", static_cast<double>(web.graceful_timeout.count()) / 1000));
  add("--max-body", std::to_string(web.max_body));
  return arguments;
}

json to_json(const Config& config) {
  auto processes = json::array();
  for (const auto& process : config.processes)
    processes.push_back({{"name", process.name}, {"command", process.command}});
  auto secrets = json::object();
  for (const auto& [name, rule] : config.secrets)
    secrets[name] = {{"kind", name_of(rule.kind, variable_kinds)}, {"length", rule.length}};
  json object = {{"name", config.name},
                 {"web", web_json(config.web)},
                 {"processes", processes},
                 {"build_phases", phases_json(config.build_phases)},
                 {"release_phases", phases_json(config.release_phases)},
                 {"static_files", config.static_files},
                 {"data_folders", config.data_folders},
                 {"data_files", config.data_files},
                 {"env", config.env},
                 {"secrets", secrets},
                 {"hosts", config.hosts},
                 {"paths", config.paths}};
  if (!config.kind.empty()) object["kind"] = config.kind;
  if (!config.network.empty()) object["network"] = config.network;
  if (!config.services.empty()) object["services"] = config.services;
  if (!config.base.empty()) object["base"] = config.base;
  put(object, "cpu", config.limits.cpu);
  put(object, "memory", config.limits.memory);
  put(object, "nice", config.limits.nice);
  put(object, "io_weight", config.limits.io_weight);
  return object;
}

base::Result<Config> config_from_json(const json& object) {
  try {
    return config_from(object);
  } catch (const json::exception& error) {
    return base::fail(base::Kind::internal, "a stored configuration cannot be read: {}", error.what());
  }
}

}  // namespace app
