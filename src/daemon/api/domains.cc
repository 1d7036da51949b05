// /v1/apps/{app}/domains: the hosts besides APP.localhost and serai.toml's.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"

namespace control_plane::api {
namespace {

// Adding a host that another app serves would change nothing, or take it away from that app unasked.
Result<void> check_is_free(Resources& resources, const Placement& placement, const std::string& host) {
  auto details = find_details(resources, placement);
  if (!details) return std::unexpected(details.error());
  auto wanted = details->config;
  wanted.hosts = {host};
  return resources.services.routes.check(placement.app, wanted);
}

// A DNS name, or "*." and one.
Result<std::string> checked_host(const std::string& text) {
  std::string host = text;
  for (auto& c : host) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view name = host;
  if (name.starts_with("*.")) name.remove_prefix(2);
  auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  bool shaped =
      !name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.' && name.find("..") == name.npos;
  if (shaped && std::ranges::all_of(name, good)) return host;
  return std::unexpected(base::Error(base::Kind::invalid, fmt::format("\"{}\" is no host name", text),
                                     "write a name without port and path, for example www.example.org"));
}

Result<json> list(Resources& resources, const std::string& app) {
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  auto details = find_details(resources, *placement);
  if (!details) return std::unexpected(details.error());
  auto hosts = resources.services.routes.hosts(app, details->config);
  if (!hosts) return std::unexpected(hosts.error());
  return json{{"app", app}, {"hosts", *hosts}};
}

}  // namespace

void add_domains(Router& router, Resources& resources) {
  router.add("GET", "/v1/apps/{app}/domains",
             [&](Exchange&, const Parameters& at) { return list(resources, at.find("app")->second); });
  auto change = [&resources](const Parameters& at,
                             Result<void> (Store::*act)(const std::string&, const std::string&)) -> Result<json> {
    const auto& app = at.find("app")->second;
    auto placement = find_placement(resources, app);
    if (!placement) return std::unexpected(placement.error());
    auto host = checked_host(at.find("host")->second);
    if (!host) return std::unexpected(host.error());
    if (act == &Store::add_domain)
      if (auto free = check_is_free(resources, *placement, *host); !free) return std::unexpected(free.error());
    auto& services = resources.services;
    if (auto done = (services.store.*act)(app, *host); !done) return std::unexpected(done.error());
    if (auto applied = services.routes.apply(); !applied) {
      // A host that the edge refuses is not kept.
      if (act == &Store::add_domain) (void)services.store.remove_domain(app, *host);
      return std::unexpected(applied.error());
    }
    return list(resources, app);
  };
  router.add("PUT", "/v1/apps/{app}/domains/{host}",
             [change](Exchange&, const Parameters& at) { return change(at, &Store::add_domain); });
  router.add("DELETE", "/v1/apps/{app}/domains/{host}",
             [change](Exchange&, const Parameters& at) { return change(at, &Store::remove_domain); });
}

}  // namespace control_plane::api
