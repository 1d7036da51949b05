#include "daemon/routes.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/route_path.h"
#include "base/log.h"
#include "daemon/specs.h"
#include "net/address.h"

namespace control_plane {
namespace {

using nlohmann::json;

// A request waits at most so long for an app that a deploy holds: an emulated virtual machine may have to start. The
// deploy ends the hold itself when that fails.
constexpr int kMostHeldSeconds = 90;

// Grows across restarts of the daemon without being stored.
std::uint64_t next_generation(std::uint64_t last) {
  auto time = std::chrono::system_clock::now().time_since_epoch();
  return std::max<std::uint64_t>(
      last + 1, static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
}

std::string without_slash(std::string path) {
  if (path.ends_with('/')) path.pop_back();
  return path;
}

// Where a static folder of the release leads to; nothing when a link in it leads out of the release. Releases do not
// change any more, so what is found now is what the edge opens.
std::optional<std::string> folder_in_release(const std::filesystem::path& code, const std::string& folder) {
  std::error_code error;
  auto real = std::filesystem::canonical(code / folder, error);
  auto release = std::filesystem::canonical(code, error);
  if (error) return std::nullopt;
  auto [rest, end] = std::ranges::mismatch(real, release);
  return end == release.end() && rest != real.end() ? std::optional(real.string()) : std::nullopt;
}

json static_folders(const std::string& app, const std::filesystem::path& code, const app::Config& config) {
  json list = json::array();
  for (const auto& [prefix, folder] : config.static_files) {
    auto real = app::is_route_path(prefix) ? folder_in_release(code, folder) : std::nullopt;
    if (real) {
      list.push_back({{"prefix", prefix}, {"folder", *real}, {"immutable", false}});
    } else {
      base::log(base::Level::warning, "routes.static_skipped", {{"app", app}, {"prefix", prefix}, {"folder", folder}},
                "a folder of static files is not in the release; the app gets its requests");
    }
  }
  return list;
}

std::string port_of(const std::string& address) {
  auto colon = address.rfind(':');
  return colon == std::string::npos ? "" : address.substr(colon);
}

}  // namespace

std::vector<std::string> hosts_of(const std::string& app, const app::Config& config,
                                  const std::vector<std::string>& domains) {
  std::vector<std::string> hosts = config.hosts;
  auto add = [&](const std::string& host) {
    if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
  };
  for (const auto& domain : domains) add(domain);
  add(app + ".localhost");
  return hosts;
}

base::Result<std::vector<std::string>> Routes::hosts(const std::string& app, const app::Config& config) {
  auto domains = store_.domains(app);
  if (!domains) return std::unexpected(domains.error());
  return hosts_of(app, config, *domains);
}

base::Result<std::vector<std::string>> Routes::urls(const std::string& app, const app::Config& config) {
  auto names = hosts(app, config);
  if (!names) return names;
  auto addresses = front_.addresses();
  auto port = addresses.empty() ? "" : port_of(addresses[0]);
  auto path = config.paths.empty() || config.paths[0] == "/" ? "" : config.paths[0];
  for (auto& name : *names) name = "http://" + name + (port == ":80" ? "" : port) + path;
  return names;
}

void Routes::hold(const std::string& app) {
  std::lock_guard lock(mutex_);
  held_.insert(app);
}

void Routes::resume(const std::string& app) {
  std::lock_guard lock(mutex_);
  held_.erase(app);
}

// Where the edge finds an instance; without an upstream when it is lost: the watcher replaces it.
json Routes::place_of(const std::string& instance, const app::WebProcess& web) {
  json place{{"instance", instance}};
  if (web.kind == app::WebProcess::Kind::engine) {
    place["upstream"] = {{"unix", paths_.app_socket(instance).string()}};
  } else if (auto inspection = environment_.inspect(instance)) {
    place["upstream"] = {{"tcp", fmt::format("{}:{}", inspection->instance.address, inspection->instance.port)}};
    place["pooling"] = "per_client";
  }
  return place;
}

void Routes::add_upstreams(json& entry, const Placed& placed) {
  const auto& [app, release, instance, kind] = placed.placement;
  const auto& web = placed.config.web;
  entry["instance"] = instance;
  entry["state"] = "stopped";
  if (web.kind == app::WebProcess::Kind::none) return;
  if (held_.contains(app)) {
    entry["state"] = "hold";
    entry["hold"] = {{"timeout", kMostHeldSeconds}};
  }
  if (instance.empty()) return;
  entry.update(place_of(instance, web));
  bool is_up = entry.contains("upstream") && !held_.contains(app);
  entry["state"] = is_up ? "up" : "hold";
  if (!placed.split || !is_up) return;
  auto second = place_of(placed.split->instance, web);
  second["percent"] = placed.split->percent;
  if (second.contains("upstream")) entry["split"] = std::move(second);
}

base::Result<Routes::Placed> Routes::load(const Placement& placement) {
  auto release = store_.find_release(placement.app, placement.release);
  if (!release) return std::unexpected(release.error());
  if (!*release)
    return base::fail(base::Kind::internal, "{} is placed with r{}, which is gone", placement.app, placement.release);
  auto details = ReleaseDetails::from_text((*release)->config);
  if (!details) return std::unexpected(details.error());
  auto domains = store_.domains(placement.app);
  if (!domains) return std::unexpected(domains.error());
  auto split = store_.find_split(placement.app);
  if (!split) return std::unexpected(split.error());
  return Placed{placement, paths_.code(placement.app, (*release)->folder), std::move(details->config),
                std::move(*domains), std::move(*split)};
}

// One broken app must not take the others' routes.
base::Result<std::vector<Routes::Placed>> Routes::load_all() {
  auto placements = store_.placements();
  if (!placements) return std::unexpected(placements.error());
  std::vector<Placed> all;
  for (const auto& placement : *placements) {
    if (auto placed = load(placement)) {
      all.push_back(std::move(*placed));
    } else {
      base::log(base::Level::error, "routes.skipped", {{"app", placement.app}, {"error", placed.error().describe()}},
                "an app has no route");
    }
  }
  return all;
}

// Names that cannot be disputed come first, then domains that were added, then what the projects' serai.toml ask for.
Routes::Claims Routes::claims_of(const std::vector<Placed>& all) {
  Claims claims;
  for (const auto& one : all) claims.claim(one.placement.app + ".localhost", one.config.paths, one.placement.app);
  for (const auto& one : all)
    for (const auto& domain : one.domains) claims.claim(domain, one.config.paths, one.placement.app);
  for (const auto& one : all)
    for (const auto& host : one.config.hosts) claims.claim(host, one.config.paths, one.placement.app);
  return claims;
}

base::Result<json> Routes::entry(const Placed& placed, const Claims& claims) {
  const auto& [placement, code, config, domains, split] = placed;
  json hosts = json::array();
  std::set<std::string> paths;
  for (const auto& host : hosts_of(placement.app, config, domains)) {
    if (claims.owner(host, config.paths) == placement.app)
      hosts.push_back(host);
    else
      base::log(base::Level::error, "routes.host_skipped", {{"app", placement.app}, {"host", host}},
                "another app serves this host");
  }
  for (const auto& path : config.paths)
    if (app::is_route_path(path)) paths.insert(path == "/" ? path : without_slash(path));
  json entry{{"app", placement.app}, {"hosts", hosts}, {"paths", paths}};
  entry["static"] = static_folders(placement.app, code, config);
  auto seconds = [](std::chrono::milliseconds time) { return std::clamp<long long>(time.count() / 1000, 1, 86'400); };
  entry["limits"] = {{"max_body", config.web.max_body},
                     {"request_timeout", seconds(config.web.request_timeout)},
                     {"tunnel_idle", seconds(config.web.websocket_timeout)}};
  if (config.web.max_in_flight) entry["limits"]["max_in_flight"] = *config.web.max_in_flight;
  add_upstreams(entry, placed);
  return entry;
}

base::Result<void> Routes::check(const std::string& app, const app::Config& config) {
  for (const auto& path : config.paths)
    if (!app::is_route_path(path)) return base::invalid("serve the path {}: it is none; write one such as /blog", path);
  std::lock_guard lock(mutex_);
  auto all = load_all();
  if (!all) return std::unexpected(all.error());
  std::erase_if(*all, [&](const Placed& placed) { return placed.placement.app == app; });
  auto claims = claims_of(*all);
  for (const auto& host : config.hosts) {
    auto owner = claims.owner(host, config.paths);
    if (owner.empty()) continue;
    return std::unexpected(base::Error(base::Kind::conflict,
                                       fmt::format("serve the host {}: the app {} serves it", host, owner),
                                       "take it out of [routes] hosts in one of the two, or serve another path of it"));
  }
  return {};
}

base::Result<void> Routes::apply() {
  std::lock_guard lock(mutex_);
  auto all = load_all();
  if (!all) return std::unexpected(all.error());
  auto claims = claims_of(*all);
  json apps = json::array();
  for (const auto& placed : *all) {
    auto made = entry(placed, claims);
    if (!made) return std::unexpected(made.error());
    apps.push_back(std::move(*made));
  }
  generation_ = next_generation(generation_);
  return front_.apply({{"type", "routes"}, {"generation", generation_}, {"apps", std::move(apps)}});
}

void Routes::Claims::claim(const std::string& host, const std::vector<std::string>& paths, const std::string& app) {
  if (!owner(host, paths).empty()) return;
  for (const auto& place : places(host, paths)) owners_[place] = app;
}

std::string Routes::Claims::owner(const std::string& host, const std::vector<std::string>& paths) const {
  for (const auto& place : places(host, paths))
    if (auto found = owners_.find(place); found != owners_.end()) return found->second;
  return "";
}

// The edge's key of a route: host in lower case, path without its last slash.
std::vector<std::string> Routes::Claims::places(const std::string& host, const std::vector<std::string>& paths) {
  auto name = host;
  for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::vector<std::string> places;
  for (const auto& path : paths)
    if (app::is_route_path(path)) places.push_back(name + without_slash(path));
  if (places.empty()) places.push_back(name);
  return places;
}

}  // namespace control_plane
