// /v1/deploys: begin a deploy from an upload, watch any deploy; and the changes of an app that are deploys too.
#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"

namespace control_plane::api {
namespace {

Result<json> begun(const Result<std::string>& id) {
  if (!id) return std::unexpected(id.error());
  return json{{"deploy", *id}};
}

// {"shares": {"container": 10}}
Result<std::map<environment::Kind, int>> read_shares(Exchange& exchange) {
  auto body = exchange.read_json();
  if (!body) return std::unexpected(body.error());
  std::map<environment::Kind, int> shares;
  for (const auto& [name, percent] : body->value("shares", std::map<std::string, int>{})) {
    auto kind = environment::parse_kind(name);
    if (!kind) return std::unexpected(kind.error());
    shares[*kind] = percent;
  }
  return shares;
}

bool is_id(const std::string& text) {
  return text.size() == 12 && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos;
}

Result<json> begin_deploy(Resources& resources, Exchange& exchange) {
  auto body = exchange.read_json();
  if (!body) return body;
  DeployRequest request;
  request.app = body->value("app", "");
  request.upload = body->value("upload", "");
  request.env = body->value("env", Variables{});
  request.only_detect = body->value("only_detect", false);
  if (auto name = body->value("environment", ""); !name.empty()) {
    auto kind = environment::parse_kind(name);
    if (!kind) return std::unexpected(kind.error());
    request.kind = *kind;
  }
  if (!is_id(request.upload) || !std::filesystem::exists(resources.services.paths.upload(request.upload) / "archive")) {
    return base::invalid("begin a deploy: there is no such upload");
  }
  return begun(resources.deploys.deploy(request));
}

// Sends what there is and what comes, until the deploy has ended.
Result<json> watch(Resources& resources, Exchange& exchange, const std::string& id) {
  auto& services = resources.services;
  auto found = services.store.find_deploy(id);
  if (!found) return std::unexpected(found.error());
  if (!*found) return base::not_found("there is no deploy {}", id);
  if (!exchange.begin_stream()) return json();
  std::size_t seen = 0;
  while (!resources.stopping && !exchange.is_peer_gone()) {
    auto deploy = services.store.find_deploy(id);
    auto events = services.feed.wait(id, seen, std::chrono::milliseconds(500));
    if (!events || !deploy) break;
    for (const auto& event : *events) {
      if (!exchange.line(json::parse(event))) return json();
    }
    seen += events->size();
    // Read before the events: a deploy that had ended then has no later ones.
    bool ended = !*deploy || (*deploy)->state != DeployState::running;
    if (ended && events->empty()) break;
  }
  exchange.end_stream();
  return json();
}

}  // namespace

void add_deploys(Router& router, Resources& resources) {
  router.add("POST", "/v1/deploys",
             [&](Exchange& exchange, const Parameters&) { return begin_deploy(resources, exchange); });
  router.add("GET", "/v1/deploys/{deploy}/events", [&](Exchange& exchange, const Parameters& at) {
    return watch(resources, exchange, at.find("deploy")->second);
  });
  router.add("POST", "/v1/apps/{app}/rollback", [&](Exchange& exchange, const Parameters& at) -> Result<json> {
    auto body = exchange.read_json();
    if (!body) return body;
    return begun(resources.deploys.rollback(at.find("app")->second, body->value("release", 0)));
  });
  router.add("POST", "/v1/apps/{app}/restart",
             [&](Exchange&, const Parameters& at) { return begun(resources.deploys.restart(at.find("app")->second)); });
  router.add("POST", "/v1/apps/{app}/start",
             [&](Exchange&, const Parameters& at) { return begun(resources.deploys.start(at.find("app")->second)); });
  router.add("POST", "/v1/apps/{app}/move", [&](Exchange& exchange, const Parameters& at) -> Result<json> {
    auto body = exchange.read_json();
    if (!body) return body;
    auto kind = environment::parse_kind(body->value("to", ""));
    if (!kind) return std::unexpected(kind.error());
    return begun(resources.deploys.move(at.find("app")->second, *kind));
  });
  router.add("POST", "/v1/apps/{app}/split", [&](Exchange& exchange, const Parameters& at) -> Result<json> {
    auto shares = read_shares(exchange);
    if (!shares) return std::unexpected(shares.error());
    return begun(resources.deploys.split(at.find("app")->second, *shares));
  });
  router.add("POST", "/v1/apps/{app}/env", [&](Exchange& exchange, const Parameters& at) -> Result<json> {
    auto body = exchange.read_json();
    if (!body) return body;
    return begun(resources.deploys.change_env(at.find("app")->second, body->value("set", Variables{}),
                                              body->value("unset", std::vector<std::string>{})));
  });
}

}  // namespace control_plane::api
