// A trial: the live release of an app off the routes, in several kinds of environment, to be measured.
//
// POST /v1/apps/{app}/trial begins one and answers with a stream whose first line tells about it; the trial lasts as
// long as that connection. Everything else is asked on other connections, below /v1/trials/{trial}.
#include <poll.h>

#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"
#include "environment/identity.h"

namespace control_plane::api {
namespace {

constexpr int kPeerCheckMs = 100;

double milliseconds_of(std::chrono::nanoseconds length) { return static_cast<double>(length.count()) / 1e6; }

json to_json(const std::vector<Trial::Possible>& kinds) {
  json values = json::array();
  for (const auto& [kind, possible] : kinds) {
    json value{{"kind", to_string(kind)}, {"possible", possible.has_value()}, {"reason", ""}, {"advice", ""}};
    if (!possible) value["reason"] = possible.error().describe(), value["advice"] = possible.error().advice();
    values.push_back(std::move(value));
  }
  return values;
}

json to_json(const Trial::Placed& placed) {
  json stages = json::array();
  for (const auto& stage : placed.stages)
    stages.push_back({{"stage", stage.name}, {"ms", milliseconds_of(stage.length)}});
  return {
      {"placement", placed.name}, {"environment", to_string(placed.kind)}, {"address", net::to_string(placed.address)},
      {"stages", stages},         {"furnished", placed.furnished},         {"emulated", placed.is_emulated}};
}

json to_json(const Trial::Observed& observed) {
  json walls = json::array();
  for (const auto& wall : observed.walls) walls.push_back({{"wall", wall.name}, {"stands", wall.stands}});
  return {{"anonymous_bytes", observed.footprint.anonymous},
          {"proportional_bytes", observed.footprint.proportional},
          {"processes", observed.footprint.processes},
          {"isolation", walls},
          {"output", observed.output}};
}

json describe(Resources& resources, Trial& trial, const std::string& app) {
  json value{{"trial", trial.id()},
             {"app", app},
             {"release", trial.release()},
             {"host", trial.host()},
             {"data",
              {{"files", trial.data().files},
               {"bytes", trial.data().bytes},
               {"changed_meanwhile", trial.data().changed_meanwhile}}},
             {"kinds", to_json(trial.kinds())}};
  if (auto identities = environment::Identities::open(resources.services.paths))
    value["user"] = {{"uid", identities->edge().uid}, {"gid", identities->edge().gid}};
  return value;
}

Result<json> hold(Resources& resources, Exchange& exchange, const std::string& app) {
  auto body = exchange.read_json();
  if (!body) return body;
  auto use = resources.deploys.use(app);
  if (!use) return std::unexpected(use.error());
  auto trial = resources.trials.open(app, {.with_data = body->value("with_data", true)});
  if (!trial) return std::unexpected(trial.error());
  auto told = exchange.begin_stream();
  if (told) told = exchange.line(describe(resources, **trial, app));
  while (told && !exchange.is_peer_gone() && !resources.stopping && !(*trial)->has_ended()) {
    pollfd peer{exchange.descriptor(), POLLRDHUP, 0};
    (void)::poll(&peer, 1, kPeerCheckMs);
  }
  resources.trials.close((*trial)->id());
  exchange.end_stream();
  return json::object();
}

Result<environment::Kind> kind_of(const json& body) {
  return environment::parse_kind(body.value("environment", std::string()));
}

Result<json> place(Trial& trial, const json& body) {
  auto kind = kind_of(body);
  if (!kind) return std::unexpected(kind.error());
  auto cold = body.value("cold", false);
  auto placed = trial.place(*kind, cold ? Trial::PageCache::dropped : Trial::PageCache::as_it_is);
  if (!placed) return std::unexpected(placed.error());
  return to_json(*placed);
}

Result<json> give_turn(Trial& trial, const json& body) {
  auto turn = trial.give_turn(body.value("placement", std::string()));
  if (!turn) return std::unexpected(turn.error());
  return json{{"app_cpu", turn->app_cpu}, {"generator_cpu", turn->others_cpu}};
}

Result<json> measure(Trial& trial, const std::string& placement) {
  auto measured = trial.measure(placement);
  if (!measured) return std::unexpected(measured.error());
  return json{{"cpu_ns", measured->cpu.count()},
              {"cpu_throttled", measured->hits.cpu_throttled},
              {"out_of_memory_kills", measured->hits.out_of_memory_kills}};
}

Result<json> observe(Trial& trial, const std::string& placement) {
  auto observed = trial.observe(placement);
  if (!observed) return std::unexpected(observed.error());
  return to_json(*observed);
}

Result<json> remove(Trial& trial, const std::string& placement) {
  if (auto removed = trial.remove(placement); !removed) return std::unexpected(removed.error());
  return json{{"placement", placement}};
}

}  // namespace

void add_trials(Router& router, Resources& resources) {
  router.add("POST", "/v1/apps/{app}/trial", [&](Exchange& exchange, const Parameters& at) {
    return hold(resources, exchange, at.find("app")->second);
  });
  router.add("DELETE", "/v1/trials/{trial}", [&](Exchange&, const Parameters& at) -> Result<json> {
    resources.trials.close(at.find("trial")->second);
    return json{{"trial", at.find("trial")->second}};
  });
  auto with_body = [&](const char* method, const char* pattern, Result<json> (*answer)(Trial&, const json&)) {
    router.add(method, pattern, [&resources, answer](Exchange& exchange, const Parameters& at) -> Result<json> {
      auto body = exchange.read_json();
      if (!body) return body;
      auto trial = resources.trials.find(at.find("trial")->second);
      if (!trial) return std::unexpected(trial.error());
      return answer(**trial, *body);
    });
  };
  auto of_placement = [&](const char* method, const char* pattern, Result<json> (*answer)(Trial&, const std::string&)) {
    router.add(method, pattern, [&resources, answer](Exchange&, const Parameters& at) -> Result<json> {
      auto trial = resources.trials.find(at.find("trial")->second);
      if (!trial) return std::unexpected(trial.error());
      return answer(**trial, at.find("placement")->second);
    });
  };
  with_body("POST", "/v1/trials/{trial}/placements", place);
  with_body("PUT", "/v1/trials/{trial}/turn", give_turn);
  of_placement("GET", "/v1/trials/{trial}/placements/{placement}", measure);
  of_placement("GET", "/v1/trials/{trial}/placements/{placement}/observation", observe);
  of_placement("DELETE", "/v1/trials/{trial}/placements/{placement}", remove);
}

}  // namespace control_plane::api
