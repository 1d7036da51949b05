#include "daemon/routes.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "daemon/specs.h"
#include "net/address.h"

namespace control_plane {
namespace {

using nlohmann::json;

// Grows across restarts of the daemon without being stored.
std::uint64_t next_generation(std::uint64_t last) {
  auto time = std::chrono::system_clock::now().time_since_epoch();
  return std::max<std::uint64_t>(
      last + 1, static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
}

json static_folders(const std::filesystem::path& code, const app::Config& config) {
  json list = json::array();
  for (const auto& [prefix, folder] : config.static_files) {
    list.push_back({{"prefix", prefix}, {"folder", (code / folder).string()}, {"immutable", false}});
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

base::Result<void> Routes::add_upstream(json& entry, const Placement& placement, const app::WebProcess& web) {
  if (web.kind == app::WebProcess::Kind::none) return entry["state"] = "stopped", base::Result<void>{};
  if (placement.instance.empty())
    return entry["state"] = held_.contains(placement.app) ? "hold" : "stopped", base::Result<void>{};
  entry["state"] = held_.contains(placement.app) ? "hold" : "up";
  if (web.kind == app::WebProcess::Kind::engine) {
    entry["upstream"] = {{"unix", paths_.app_socket(placement.instance).string()}};
    return {};
  }
  auto inspection = environment_.inspect(placement.instance);
  if (!inspection) return std::unexpected(inspection.error());
  entry["upstream"] = {{"tcp", fmt::format("127.0.0.1:{}", inspection->instance.port)}};
  entry["pooling"] = "per_client";
  return {};
}

base::Result<json> Routes::entry(const Placement& placement) {
  auto release = store_.find_release(placement.app, placement.release);
  if (!release) return std::unexpected(release.error());
  if (!*release)
    return base::fail(base::Kind::internal, "{} is placed with r{}, which is gone", placement.app, placement.release);
  auto details = ReleaseDetails::from_text((*release)->config);
  if (!details) return std::unexpected(details.error());
  const auto& config = details->config;
  auto names = hosts(placement.app, config);
  if (!names) return std::unexpected(names.error());
  json entry{{"app", placement.app}, {"instance", placement.instance}, {"hosts", *names}};
  if (!config.paths.empty()) entry["paths"] = config.paths;
  entry["static"] = static_folders(paths_.code(placement.app, (*release)->folder), config);
  entry["limits"] = {{"max_body", config.web.max_body},
                     {"request_timeout", std::max<long long>(1, config.web.request_timeout.count() / 1000)}};
  if (auto added = add_upstream(entry, placement, config.web); !added) return std::unexpected(added.error());
  return entry;
}

base::Result<void> Routes::apply() {
  std::lock_guard lock(mutex_);
  auto placements = store_.placements();
  if (!placements) return std::unexpected(placements.error());
  json apps = json::array();
  for (const auto& placement : *placements) {
    auto made = entry(placement);
    if (made) {
      apps.push_back(std::move(*made));
    } else {  // one broken app must not take the others' routes
      base::log(base::Level::error, "routes.skipped", {{"app", placement.app}, {"error", made.error().describe()}},
                "an app has no route");
    }
  }
  generation_ = next_generation(generation_);
  return front_.apply({{"type", "routes"}, {"generation", generation_}, {"apps", std::move(apps)}});
}

}  // namespace control_plane
