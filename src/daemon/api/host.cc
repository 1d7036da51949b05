// /v1/version, /v1/doctor, /v1/environments/KIND/APP, /v1/host/stop: the host itself.
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

// Whether this host could do it for an app that wants as little as can be; a deploy asks again with what it wants.
Result<json> can_have(Resources& resources, const std::string& app, const std::string& name) {
  auto kind = environment::parse_kind(name);
  if (!kind) return std::unexpected(kind.error());
  allocation::Limits least{.cpu = 1, .memory = 1, .processes = 1};
  if (auto possible = resources.services.environment.check({app, *kind, least}); !possible)
    return std::unexpected(possible.error());
  return json{{"kind", name}, {"possible", true}};
}

}  // namespace

void add_host(Router& router, Resources& resources) {
  router.add("GET", "/v1/version", [&](Exchange&, const Parameters&) -> Result<json> {
    return json{{"version", base::version()}, {"addresses", resources.services.front.addresses()}};
  });
  router.add("GET", "/v1/doctor", [&](Exchange&, const Parameters&) -> Result<json> { return doctor(resources); });
  router.add("GET", "/v1/environments/{kind}/{app}", [&](Exchange&, const Parameters& at) -> Result<json> {
    return can_have(resources, at.find("app")->second, at.find("kind")->second);
  });
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
