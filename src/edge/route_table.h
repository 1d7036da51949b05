// edge::RouteTable: host and path prefix → app. Immutable once built: a new table replaces it between two turns.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "net/endpoint.h"

namespace http {
class StaticFolder;
}

namespace edge {

class AppRuntime;  // what outlives a table: counters, pool, waiting requests (app_runtime.h)

enum class AppState { up, hold, stopped };
enum class Pooling { shared, per_client };

// A folder served under a path prefix.
struct StaticMount {
  std::string prefix;  // without a trailing slash; "" is the whole path space
  std::filesystem::path folder;
  bool immutable = false;
  std::shared_ptr<const http::StaticFolder> served;  // null: could not be opened
};

// Where an app answers. Equal ones share their connections.
struct Upstream {
  std::string instance;  // free text; a change of it drains the connections
  net::Endpoint endpoint;
  Pooling pooling = Pooling::shared;
  bool operator==(const Upstream&) const = default;
};

// A second place of the same app, which gets a part of its requests.
struct Split {
  Upstream upstream;
  unsigned percent = 0;  // 1 to 99
};

struct HoldLimits {
  std::size_t max_requests = 512;
  std::size_t max_bytes = 16 << 20;
  std::chrono::seconds timeout{30};
};

struct App {
  std::string name;
  std::vector<std::string> hosts;
  std::vector<std::string> paths;  // without trailing slashes; "" is the whole path space
  AppState state = AppState::stopped;
  std::optional<Upstream> upstream;
  std::optional<Split> split;
  std::vector<StaticMount> statics;  // longest prefix first
  std::uint64_t max_body = 0;
  std::chrono::seconds request_timeout{60};  // 0: none
  std::chrono::seconds tunnel_idle{3600};
  std::size_t max_in_flight = 0;  // 0: Context::most_requests_per_app
  HoldLimits hold;
  std::shared_ptr<AppRuntime> runtime;  // set before the table is built
};

// Whether `path` is `prefix` or lies below it: "/blog" covers "/blog" and "/blog/x", not "/blogger".
bool covers(std::string_view prefix, std::string_view path);

class RouteTable {
 public:
  RouteTable() = default;
  // Fails when two apps claim the same host and prefix.
  static base::Result<RouteTable> build(std::uint64_t generation, std::vector<App> apps);

  std::uint64_t generation() const { return generation_; }
  // `host` as in the Host field (any case, perhaps with a port or a final dot); null when no route fits.
  const App* find(std::string_view host, std::string_view path) const;
  const App* find_app(std::string_view name) const;
  std::span<const App> apps() const { return apps_; }

 private:
  struct Route {
    std::string prefix;
    std::size_t app;  // index into apps_
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using HostRoutes = std::vector<Route>;  // longest prefix first
  const App* find_path(std::string_view host_pattern, std::string_view path) const;

  std::uint64_t generation_ = 0;
  std::vector<App> apps_;
  std::unordered_map<std::string, HostRoutes, Hash, std::equal_to<>> hosts_;  // by pattern: "a.b", "*.b", "*"
  bool has_wildcards_ = false;
};

}  // namespace edge
