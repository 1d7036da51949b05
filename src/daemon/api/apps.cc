// /v1/apps: the apps, their state, releases, configuration and limits; stopping and destroying them.
#include <nlohmann/json.hpp>
#include <tuple>

#include "app/release.h"
#include "daemon/api/resources.h"
#include "daemon/deploy/maker.h"
#include "daemon/limit_hits.h"
#include "environment/supervisor.h"

namespace control_plane::api {
namespace {

constexpr int kShownEvents = 10, kSearchedEvents = 1000;

std::string state_of(Resources& resources, const Placement& placement) {
  if (resources.deploys.is_busy(placement.app)) return "deploying";
  if (placement.instance.empty()) return "stopped";
  auto inspection = resources.services.environment.inspect(placement.instance);
  return inspection && inspection->state == environment::InstanceState::running ? "running" : "down";
}

Result<json> summary(Resources& resources, const App& app) {
  auto placement = resources.services.store.find_placement(app.name);
  if (!placement) return std::unexpected(placement.error());
  json value{{"app", app.name}, {"release", 0}, {"state", "deploying"}, {"environment", ""}, {"url", ""}};
  if (!*placement) return value;
  value["release"] = (*placement)->release;
  value["state"] = state_of(resources, **placement);
  value["environment"] = to_string((*placement)->kind);
  if (auto details = find_details(resources, **placement)) {
    auto urls = resources.services.routes.urls(app.name, details->config);
    if (urls && !urls->empty()) value["url"] = urls->front();
  }
  return value;
}

Result<json> list(Resources& resources) {
  auto apps = resources.services.store.apps();
  if (!apps) return std::unexpected(apps.error());
  json values = json::array();
  for (const auto& app : *apps) {
    auto value = summary(resources, app);
    if (!value) return value;
    values.push_back(std::move(*value));
  }
  return json{{"apps", values}};
}

json processes_of(Resources& resources, const std::string& instance) {
  if (instance.empty()) return json::array();
  auto supervisor = environment::Supervisor::connect(resources.services.paths, instance);
  if (!supervisor) return json::array();
  auto status = supervisor->status();
  return status ? status->value("processes", json::array()) : json::array();
}

// {} where requests are not split.
json split_of(Resources& resources, const std::string& app) {
  auto split = resources.services.store.find_split(app);
  if (!split || !*split) return json::object();
  auto traffic = resources.services.front.traffic(app).value_or(Traffic{});
  auto found = resources.services.environment.inspect((*split)->instance);
  bool is_running = found && found->state == environment::InstanceState::running;
  return {{"environment", to_string((*split)->kind)},
          {"percent", (*split)->percent},
          {"instance", (*split)->instance},
          {"state", is_running ? "running" : "down"},
          {"requests", traffic.by_second},
          {"server_errors", traffic.second_wrong}};
}

json data_of(Resources& resources, const std::string& app) {
  json data = json::array();
  if (auto kept = resources.services.environment.kept(app)) {
    for (const auto& folder : kept->folders) data.push_back(folder + "/");
    for (const auto& file : kept->files) data.push_back(file);
  }
  return data;
}

// Of the instance, if there is one.
environment::Inspection inspection_of(Resources& resources, const std::string& instance) {
  if (instance.empty()) return {};
  return resources.services.environment.inspect(instance).value_or(environment::Inspection{});
}

json last_deploy_of(Resources& resources, const std::string& app) {
  auto deploys = resources.services.store.deploys(app, 1);
  if (!deploys || deploys->empty()) return json::object();
  const auto& deploy = deploys->front();
  json value{{"deploy", deploy.id},
             {"kind", to_string(deploy.kind)},
             {"state", to_string(deploy.state)},
             {"step", deploy.step}};
  if (deploy.state != DeployState::failed) return value;
  if (auto events = resources.services.store.deploy_events(deploy.id); events && !events->empty()) {
    auto last = json::parse(events->back(), nullptr, false);
    if (last.is_object()) value["found"] = last.value("found", ""), value["advice"] = last.value("advice", "");
  }
  return value;
}

json events_of(Resources& resources, const std::string& app) {
  json values = json::array();
  if (auto events = resources.services.store.events(app, kShownEvents)) {
    for (const auto& event : *events) values.push_back({{"kind", event.kind}, {"text", event.text}, {"at", event.at}});
  }
  return values;
}

// Those of limits, of instances that are gone too.
json limit_events_of(Resources& resources, const std::string& app) {
  json values = json::array();
  for (const auto& event : resources.services.store.events(app, kSearchedEvents).value_or(std::vector<AppEvent>{})) {
    bool is_hit = event.kind == kMemoryHit || event.kind == kCpuHit || event.kind == kProcessesHit;
    if (is_hit && values.size() < kShownEvents)
      values.push_back({{"kind", event.kind}, {"text", event.text}, {"at", event.at}});
  }
  return values;
}

Result<json> status(Resources& resources, const std::string& name) {
  auto placement = find_placement(resources, name);
  if (!placement) return std::unexpected(placement.error());
  auto release = resources.services.store.find_release(name, placement->release);
  auto details = find_details(resources, *placement);
  if (!release || !*release || !details)
    return base::fail(base::Kind::internal, "the live release of {} is missing", name);
  auto urls = resources.services.routes.urls(name, details->config);
  auto inspection = inspection_of(resources, placement->instance);
  return json{{"app", name},
              {"state", state_of(resources, *placement)},
              {"release", placement->release},
              {"digest", app::short_id((*release)->digest)},
              {"instance", placement->instance},
              {"environment", to_string(placement->kind)},
              {"split", split_of(resources, name)},
              {"own_cpus", inspection.limits.cpus},
              {"network", inspection.network},
              {"urls", urls.value_or(std::vector<std::string>{})},
              {"web", describe_web(details->framework, details->config.web)},
              {"python", details->interpreter.version.text()},
              {"processes", processes_of(resources, placement->instance)},
              {"data", data_of(resources, name)},
              {"last_deploy", last_deploy_of(resources, name)},
              {"events", events_of(resources, name)}};
}

Result<json> releases(Resources& resources, const std::string& app) {
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  auto found = resources.services.store.releases(app);
  if (!found) return std::unexpected(found.error());
  json values = json::array();
  for (const auto& release : *found) {
    auto details = ReleaseDetails::from_text(release.config);
    bool live = release.number == placement->release;
    values.push_back({{"release", release.number},
                      {"digest", app::short_id(release.digest)},
                      {"created_at", release.created_at},
                      {"python", details ? details->interpreter.version.text() : ""},
                      {"live", live},
                      {"environment", live ? to_string(placement->kind) : ""}});
  }
  return json{{"app", app}, {"releases", values}};
}

Result<json> config(Resources& resources, const std::string& app) {
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  auto details = find_details(resources, *placement);
  if (!details) return std::unexpected(details.error());
  auto settings = app::to_json(details->settings);
  auto release = resources.services.store.find_release(app, placement->release);
  if (release && *release) {
    for (const auto& name :
         resources.services.store.env_names(app, (*release)->env_version).value_or(std::vector<std::string>{})) {
      settings.push_back(
          {{"path", "env." + name}, {"value", "(secret)"}, {"origin", "env"}, {"evidence", "serai env set"}});
    }
  }
  return json{{"app", app}, {"release", placement->release}, {"settings", settings}};
}

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

Result<json> limits(Resources& resources, const std::string& app) {
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  if (placement->instance.empty())
    return json{{"app", app}, {"limits", json::array()}, {"events", limit_events_of(resources, app)}};
  auto found = resources.services.environment.inspect(placement->instance);
  if (!found) return std::unexpected(found.error());
  const auto& limit = found->limits;
  const auto& [usage, hits] = std::tie(found->usage, found->hits);
  auto cpu_seconds = std::chrono::duration<double>(usage.cpu).count();
  json values = json::array();
  values.push_back({{"limit", "cpu"},
                    {"value", fmt::format("{} CPU{}", limit.cpu, limit.cpus.empty() ? "" : " of its own")},
                    {"used", fmt::format("{:.1f} s", cpu_seconds)},
                    {"hits", hits.cpu_throttled}});
  values.push_back({{"limit", "memory"},
                    {"value", mebibytes(limit.memory)},
                    {"used", mebibytes(usage.memory)},
                    {"hits", hits.memory_reached}});
  values.push_back({{"limit", "out of memory"}, {"value", ""}, {"used", ""}, {"hits", hits.out_of_memory_kills}});
  values.push_back({{"limit", "processes"},
                    {"value", std::to_string(limit.processes)},
                    {"used", std::to_string(usage.processes)},
                    {"hits", hits.processes_refused}});
  if (found->network_missing)
    values.push_back(
        {{"limit", "network"}, {"value", "none of its own: it is on " + found->network}, {"used", ""}, {"hits", 0}});
  return json{
      {"app", app}, {"instance", placement->instance}, {"limits", values}, {"events", limit_events_of(resources, app)}};
}

Result<json> done(const std::string& app, const Result<void>& result) {
  if (!result) return std::unexpected(result.error());
  return json{{"app", app}};
}

}  // namespace

void add_apps(Router& router, Resources& resources) {
  auto for_app = [&](const char* pattern, Result<json> (*answer)(Resources&, const std::string&)) {
    router.add("GET", pattern, [&resources, answer](Exchange&, const Parameters& at) {
      return answer(resources, at.find("app")->second);
    });
  };
  router.add("GET", "/v1/apps", [&](Exchange&, const Parameters&) { return list(resources); });
  for_app("/v1/apps/{app}", status);
  for_app("/v1/apps/{app}/releases", releases);
  for_app("/v1/apps/{app}/config", config);
  for_app("/v1/apps/{app}/limits", limits);
  router.add("POST", "/v1/apps/{app}/stop", [&](Exchange&, const Parameters& at) {
    const auto& app = at.find("app")->second;
    return done(app, resources.deploys.stop(app));
  });
  router.add("DELETE", "/v1/apps/{app}", [&](Exchange&, const Parameters& at) {
    const auto& app = at.find("app")->second;
    return done(app, resources.deploys.destroy(app));
  });
}

}  // namespace control_plane::api
