#include "edge/route_table.h"

#include <algorithm>
#include <array>

namespace edge {
namespace {

constexpr std::size_t kLongestHost = 255;

// The name of a Host value in lower case: without a port and without a final dot. Empty when it is too long.
std::string_view normal_host(std::string_view host, std::array<char, kLongestHost>& space) {
  if (host.starts_with('['))
    host = host.substr(0, host.find(']') + 1);
  else
    host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > space.size()) return {};
  std::ranges::transform(host, space.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return {space.data(), host.size()};
}

}  // namespace

bool covers(std::string_view prefix, std::string_view path) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || prefix.empty() || path[prefix.size()] == '/');
}

base::Result<RouteTable> RouteTable::build(std::uint64_t generation, std::vector<App> apps) {
  RouteTable table;
  table.generation_ = generation;
  table.apps_ = std::move(apps);
  for (std::size_t i = 0; i < table.apps_.size(); i++) {
    for (const auto& host : table.apps_[i].hosts) {
      table.has_wildcards_ |= host.starts_with("*.");
      auto& routes = table.hosts_[host];
      for (const auto& path : table.apps_[i].paths) routes.push_back({path, i});
    }
  }
  for (auto& [host, routes] : table.hosts_) {
    std::ranges::stable_sort(routes, [](const Route& a, const Route& b) {
      return a.prefix.size() != b.prefix.size() ? a.prefix.size() > b.prefix.size() : a.prefix < b.prefix;
    });
    auto twice = std::ranges::adjacent_find(routes, {}, &Route::prefix);
    if (twice == routes.end()) continue;
    return base::fail(base::Kind::conflict, "{}{} is claimed by {} and by {}", host,
                      twice->prefix.empty() ? "/" : twice->prefix, table.apps_[twice->app].name,
                      table.apps_[std::next(twice)->app].name);
  }
  return table;
}

const App* RouteTable::find_path(std::string_view host_pattern, std::string_view path) const {
  auto found = hosts_.find(host_pattern);
  if (found == hosts_.end()) return nullptr;
  for (const auto& route : found->second)
    if (covers(route.prefix, path)) return &apps_[route.app];
  return nullptr;
}

const App* RouteTable::find(std::string_view host, std::string_view path) const {
  std::array<char, kLongestHost> space;
  auto name = normal_host(host, space);
  if (auto* app = name.empty() ? nullptr : find_path(name, path)) return app;
  if (has_wildcards_) {
    std::array<char, kLongestHost + 1> pattern;
    for (auto dot = name.find('.'); dot != name.npos && dot + 1 < name.size(); dot = name.find('.', dot + 1)) {
      pattern[0] = '*';
      std::ranges::copy(name.substr(dot), pattern.begin() + 1);
      if (auto* app = find_path({pattern.data(), name.size() - dot + 1}, path)) return app;
    }
  }
  return find_path("*", path);
}

const App* RouteTable::find_app(std::string_view name) const {
  auto found = std::ranges::find(apps_, name, &App::name);
  return found == apps_.end() ? nullptr : &*found;
}

}  // namespace edge
