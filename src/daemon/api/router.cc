#include "daemon/api/router.h"

#include <nlohmann/json.hpp>

#include <optional>
#include "base/error_json.h"

namespace control_plane::api {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto part = path.substr(0, path.find('/'));
    parts.emplace_back(part);
    path.remove_prefix(part.size());
  }
  return parts;
}

Result<json> guarded(const Handler& handler, Exchange& exchange, const Parameters& parameters) {
  try {
    return handler(exchange, parameters);
  } catch (const json::exception& error) {
    return std::unexpected(base::Error(base::Kind::invalid,
                                       fmt::format("a field of the request has the wrong type: {}", error.what()),
                                       "see docs/api.md"));
  }
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler) {
  routes_.push_back({std::move(method), split(pattern), std::move(handler)});
}

std::optional<Parameters> Router::match(const Route& route, const std::vector<std::string>& parts) {
  if (route.parts.size() != parts.size()) return std::nullopt;
  Parameters parameters;
  for (std::size_t i = 0; i < parts.size(); i++) {
    const auto& wanted = route.parts[i];
    if (!wanted.starts_with('{')) {
      if (wanted != parts[i]) return std::nullopt;
      continue;
    }
    auto value = decode(parts[i]);
    if (!value || value->empty()) return std::nullopt;
    parameters[wanted.substr(1, wanted.size() - 2)] = *value;
  }
  return parameters;
}

void Router::serve(Exchange& exchange) const {
  auto parts = split(exchange.path());
  bool path_known = false;
  for (const auto& route : routes_) {
    auto parameters = match(route, parts);
    if (!parameters) continue;
    path_known = true;
    if (route.method != exchange.method()) continue;
    auto result = guarded(route.handler, exchange, *parameters);
    if (!exchange.has_answered()) {
      if (result)
        exchange.answer(200, *result);
      else
        exchange.answer(result.error());
    }
    return;
  }
  if (path_known)
    return exchange.answer(405,
                           to_json(base::Error(base::Kind::invalid, "this path does not take " + exchange.method())));
  exchange.answer(
      base::Error(base::Kind::not_found, fmt::format("the API has no {}", exchange.path()), "see docs/api.md"));
}

}  // namespace control_plane::api
