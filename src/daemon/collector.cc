#include "daemon/collector.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "daemon/specs.h"
#include "environment/container/images.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) found.push_back(entry.path());
  return found;
}

std::uint64_t size_of(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error) && !at->is_symlink(error)) bytes += at->file_size(error);
  }
  return bytes;
}

// Removes the entries of a folder whose names are not in `kept`.
Result<void> keep_only(Services& services, const fs::path& folder, const std::set<std::string>& kept) {
  for (const auto& path : entries(folder)) {
    if (kept.contains(path.filename().string())) continue;
    if (auto removed = services.trash.take(path); !removed) return removed;
  }
  return {};
}

Result<void> remove_old_releases(Services& services, const std::string& app) {
  auto placement = services.store.find_placement(app);
  auto releases = services.store.releases(app);
  if (!placement || !releases) return std::unexpected(placement ? releases.error() : placement.error());
  int live = *placement ? (*placement)->release : 0;
  int kept = live ? 1 : 0;
  for (const auto& release : *releases) {
    if (release.number == live || kept++ < kKeptReleases) continue;
    if (auto removed = services.store.remove_release(app, release.number); !removed) return removed;
  }
  return {};
}

Result<void> remove_builds(Services& services, const std::string& app, const std::set<std::string>& kept) {
  for (const auto& path : entries(services.paths.builds())) {
    auto name = path.filename().string();
    // "shop-" + 20 digits: the app's name may hold dashes, a digest cannot.
    auto dash = name.rfind('-');
    if (dash == std::string::npos || name.substr(0, dash) != app || kept.contains(name)) continue;
    if (auto removed = services.trash.take(path); !removed) return removed;
  }
  return {};
}

// The layers and images of releases that are no more.
Result<void> remove_layers(Services& services, const std::string& app, const std::vector<Release>& kept) {
  if (!services.images) return {};
  std::vector<environment::Parts> parts;
  std::set<std::string> names;
  for (const auto& release : kept) {
    parts.push_back({.code = services.paths.code(app, release.folder), .venv = services.paths.venv(release.build)});
    names.insert(image_name(app, release.number));
  }
  return services.images->retain(app, parts, names);
}

void empty_cache(Services& services, const std::string& app) {
  auto cache = services.paths.cache(app);
  std::error_code error;
  bool tight = fs::space(services.paths.root, error).available < kLeastFreeBytes;
  if (!tight && size_of(cache) < kCacheBudget) return;
  for (const auto& path : entries(cache)) (void)services.trash.take(path);
  base::log(base::Level::info, "cache.emptied", {{"app", app}}, "the app's cache outgrew its budget");
}

}  // namespace

Result<void> collect(Services& services, const std::string& app) {
  if (auto removed = remove_old_releases(services, app); !removed) return removed;
  auto releases = services.store.releases(app);
  if (!releases) return std::unexpected(releases.error());
  std::set<std::string> folders, builds, env_files;
  for (const auto& release : *releases) {
    folders.insert(release.folder);
    builds.insert(release.build);
    env_files.insert(std::to_string(release.env_version) + ".json");
  }
  if (auto kept = keep_only(services, services.paths.releases(app), folders); !kept) return kept;
  if (auto kept = keep_only(services, services.paths.env(app), env_files); !kept) return kept;
  if (auto kept = remove_layers(services, app, *releases); !kept) return kept;
  if (auto kept = remove_builds(services, app, builds); !kept) return kept;
  empty_cache(services, app);
  return {};
}

Result<void> forget_app(Services& services, const std::string& app) {
  if (auto removed = services.trash.take(services.paths.app(app)); !removed) return removed;
  if (auto forgotten = services.environment.forget(app); !forgotten) return forgotten;
  if (auto removed = remove_builds(services, app, {}); !removed) return removed;
  return services.store.remove_app(app);
}

void sweep(Services& services) {
  for (const auto& path : entries(services.paths.uploads())) (void)services.trash.take(path);
  for (const auto& path : entries(services.paths.builds())) {
    if (path.extension() == ".partial") (void)services.trash.take(path);
  }
}

void collect_uploads(Services& services, std::chrono::seconds age) {
  auto open = services.store.running_deploys();
  if (!open) return;
  std::set<std::string> needed;
  for (const auto& deploy : *open) needed.insert(deploy.upload);
  for (const auto& path : entries(services.paths.uploads())) {
    std::error_code error;
    auto written = fs::last_write_time(path / "archive", error);
    bool is_old = !error && fs::file_time_type::clock::now() - written > age;
    if (!is_old || needed.contains(path.filename().string())) continue;
    base::log(base::Level::info, "upload.collected", {{"upload", path.filename().string()}}, "nobody deployed it");
    (void)services.trash.take(path);
  }
}

}  // namespace control_plane
