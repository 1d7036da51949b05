// /v1/version, /v1/doctor, /v1/host/stop: the host itself.
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "daemon/api/resources.h"

namespace control_plane::api {
namespace {

std::string_view name_of(environment::Fact::State state) {
  switch (state) {
    case environment::Fact::State::good:
      return "good";
    case environment::Fact::State::degraded:
      return "degraded";
    case environment::Fact::State::missing:
      break;
  }
  return "missing";
}

json interpreters_fact(const Tools& tools) {
  std::string found;
  auto tags = tools.engine_tags();
  for (const auto& interpreter : tools.interpreters()) {
    bool has_engine = std::find(tags.begin(), tags.end(), interpreter.cache_tag) != tags.end();
    found += (found.empty() ? "" : ", ") + interpreter.version.text() + (has_engine ? "" : " (no engine)");
  }
  bool good = !tags.empty() && !found.empty();
  return {{"environment", "shared"},
          {"what", "python"},
          {"found", found},
          {"good", good},
          {"state", good ? "good" : "missing"},
          {"advice", good ? "" : "build the engine for an installed CPython: make build"}};
}

json doctor(Resources& resources) {
  json facts = json::array({interpreters_fact(resources.services.tools)});
  for (const auto& fact : resources.services.environment.doctor()) {
    facts.push_back({{"environment", to_string(fact.kind)},
                     {"what", fact.name},
                     {"found", fact.found},
                     {"good", fact.state == environment::Fact::State::good},
                     {"state", name_of(fact.state)},
                     {"advice", fact.advice}});
  }
  return {{"facts", facts}};
}

}  // namespace

void add_host(Router& router, Resources& resources) {
  router.add("GET", "/v1/version", [&](Exchange&, const Parameters&) -> Result<json> {
    return json{{"version", base::version()}, {"addresses", resources.services.front.addresses()}};
  });
  router.add("GET", "/v1/doctor", [&](Exchange&, const Parameters&) -> Result<json> { return doctor(resources); });
  router.add("POST", "/v1/host/stop", [&](Exchange& exchange, const Parameters&) -> Result<json> {
    auto body = exchange.read_json();
    if (!body) return body;
    bool everything = body->value("everything", false);
    exchange.answer(200, json{{"stopping", true}, {"everything", everything}});
    resources.stop_host(everything);
    return json();
  });
}

}  // namespace control_plane::api
