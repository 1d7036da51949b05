#include "environment/data/kept.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/byte_json.h"
#include "base/file.h"
#include "environment/data/tree.h"

namespace environment {

using instance::Mount;
using nlohmann::json;

// The overlay is mounted here, beside /app, and detached once its folders are bound.
constexpr const char* kAside = ".release";

struct KeptData::Planning {
  const Layer& layer;
  base::Fd code, upper;
  std::set<std::string> folders, files;  // all data, by settings and by record
  std::vector<MountPoint> points;
  std::vector<std::pair<std::string, std::string>> links;  // dangling links of the release: path, target
  AppView view;
};

base::Result<KeptData> KeptData::open(const Layout& layout, const std::string& app, Identity owner) {
  auto lock = Lock::take(layout.app(app) / "kept.lock");
  if (!lock) return std::unexpected(lock.error());
  auto data = base::open(layout.data(app).string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!data) return base::wrap(data.error(), fmt::format("open the data of {}", app));
  KeptData kept(std::move(*lock), layout, app, owner, std::move(*data));
  if (auto loaded = kept.load(); !loaded) return std::unexpected(loaded.error());
  return kept;
}

base::Result<void> KeptData::load() {
  auto file = layout_.kept_record(app_);
  if (!std::filesystem::exists(file)) return {};
  auto text = base::read_file(file);
  if (!text) return std::unexpected(text.error());
  try {
    auto value = base::parse_byte_json(*text);
    record_.folders = value.value("folders", std::set<std::string>{});
    record_.files = value.value("files", std::set<std::string>{});
    record_.mount_points = value.value("mount_points", std::map<std::string, std::set<std::string>>{});
  } catch (const json::exception& error) {
    return base::fail(base::Kind::internal, "read {}: {}", file.string(), error.what());
  }
  return {};
}

base::Result<void> KeptData::save() {
  json value = {{"folders", record_.folders}, {"files", record_.files}, {"mount_points", record_.mount_points}};
  return base::write_file_atomically(layout_.kept_record(app_), base::dump_byte_json(std::move(value), 1) + "\n", 0600);
}

base::Result<AppView> KeptData::prepare(const Layer& layer, const std::vector<std::string>& folders,
                                        const std::vector<std::string>& files) {
  auto code = base::open(layer.code.string(), O_PATH | O_DIRECTORY);
  if (!code) return base::wrap(code.error(), "open the release");
  for (const auto& folder : {layer.upper, layer.work}) {
    if (auto made = base::make_folders(folder); !made) return std::unexpected(made.error());
    if (auto owned = base::change_owner(folder, owner_.uid, owner_.gid); !owned) return std::unexpected(owned.error());
  }
  auto upper = base::open(layer.upper.string(), O_PATH | O_DIRECTORY);
  if (!upper) return std::unexpected(upper.error());
  Planning planning{layer, std::move(*code), std::move(*upper), record_.folders, record_.files, {}, {}, {}};
  for (bool is_folder : {true, false}) {
    for (const auto& given : is_folder ? folders : files) {
      auto path = inside_app(given);
      if (!path) return std::unexpected(path.error());
      if (!path->empty()) (is_folder ? planning.folders : planning.files).insert(*path);
      // The journal and the -wal and -shm of a database appear beside it, so its folder is data too.
      if (!is_folder && !parent_of(*path).empty()) planning.folders.insert(parent_of(*path));
    }
  }
  record_.folders.insert(planning.folders.begin(), planning.folders.end());
  Mount overlay{.kind = "overlay", .to = kAside};
  overlay.lower = layer.code;
  overlay.upper = layer.upper;
  overlay.work = layer.work;
  planning.view.mounts.push_back(std::move(overlay));
  Mount root{.kind = "bind", .to = "app", .base = layout_.data(app_)};
  root.writable = true;
  planning.view.mounts.push_back(std::move(root));
  auto planned = plan_entries(planning, "");
  // Sorted, so that an outer folder is mounted before what is inside it.
  for (const auto& folder : planning.folders)
    if (planned) planned = plan_folder(planning, folder);
  if (planned) planned = make_mount_points(planning, layer.id);
  if (!planned) return std::unexpected(planned.error());
  plan_absent(planning);
  planning.view.mounts.push_back({.kind = "detach", .to = kAside});
  return std::move(planning.view);
}

// Whether at this point of the plan /app/PATH shows the kept folder, and not the overlay.
bool KeptData::shows_kept(const Planning& planning, const std::string& path) const {
  bool kept = true;
  std::string at;
  for (const auto& part : std::filesystem::path(path)) {
    at = join(at, part);
    bool in_release = look(planning.code, at).has_value();
    kept = planning.folders.contains(at) || (kept && !in_release);
  }
  return kept;
}

base::Result<void> KeptData::plan_folder(Planning& planning, const std::string& path) {
  auto made = make_folder(data_, path, owner_);
  if (!made) return base::wrap(made.error(), fmt::format("keep {}", path));
  bool in_release = open_folder(planning.code, path).has_value();
  if (!in_release && shows_kept(planning, parent_of(path))) return {};  // a plain folder of the kept one around it
  // Through a link of the release the overlay is written and what lands there is adopted later.
  for (auto at = parent_of(path); !at.empty(); at = parent_of(at))
    if (auto entry = look(planning.code, at); entry && !entry->is_folder()) return {};
  if (auto entry = look(planning.code, path); entry && !entry->is_folder()) return {};
  if (!in_release) {
    auto target = make_folder(planning.upper, path, owner_);
    if (!target) return std::unexpected(target.error());
  }
  Mount mount{.kind = "bind", .to = "app/" + path, .base = layout_.data(app_), .path = path};
  mount.writable = true;
  planning.view.mounts.push_back(std::move(mount));
  return in_release ? plan_entries(planning, path) : base::Result<void>{};
}

base::Result<void> KeptData::plan_entries(Planning& planning, const std::string& path) {
  auto release = open_folder(planning.code, path);
  if (!release) return std::unexpected(release.error());
  auto entries = list(*release);
  if (!entries) return std::unexpected(entries.error());
  for (const auto& entry : *entries) {
    if (auto planned = plan_entry(planning, *release, path, entry); !planned) return planned;
  }
  return {};
}

// A release file that is data: by settings, by record, or because it is a SQLite database, here or in the kept folder.
bool KeptData::is_data(const Planning& planning, const base::Fd& release, const std::string& path,
                       const std::string& name) const {
  if (planning.files.contains(join(path, name)) || is_sqlite(release, name)) return true;
  auto kept = open_folder(data_, path);
  return kept && is_sqlite(*kept, name);
}

base::Result<void> KeptData::plan_entry(Planning& planning, const base::Fd& release, const std::string& path,
                                        const Entry& entry) {
  auto full = join(path, entry.name);
  if (entry.is_link()) return plan_link(planning, release, path, entry.name);
  if (!entry.is_file() && !entry.is_folder()) return {};
  if (entry.is_file() && is_data(planning, release, path, entry.name)) {
    auto kept = make_folder(data_, path, owner_);
    if (!kept) return std::unexpected(kept.error());
    auto there = look(*kept, entry.name);
    // An empty file of nobody's but ours is an old mount point, not data.
    if (there && is_mount_point(full, planning.layer.id)) return {};
    if (!there) {
      if (auto copied = copy_file(release, entry.name, *kept, entry.name, owner_); !copied) return copied;
      planning.view.made_data.push_back(full);
    }
    record_.files.insert(full);
    return {};
  }
  planning.points.push_back({full, entry.is_folder()});
  Mount mount{.kind = "bind", .to = "app/" + full, .base = planning.layer.code, .path = full};
  if (entry.is_folder()) {
    mount.base = planning.layer.view / kAside;
    mount.writable = true;
  }
  planning.view.mounts.push_back(std::move(mount));
  return {};
}

// A link cannot be a mount point: what it leads to inside the release is shown in its place. One that leads nowhere
// there stays a link.
base::Result<void> KeptData::plan_link(Planning& planning, const base::Fd&, const std::string& path,
                                       const std::string& name) {
  auto full = join(path, name);
  auto target = base::open_beneath(planning.code.get(), full, O_PATH);
  struct stat facts{};
  if (target) ::fstat(target->get(), &facts);
  if (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)) {
    bool folder = S_ISDIR(facts.st_mode);
    planning.points.push_back({full, folder});
    Mount mount{.kind = "bind",
                .to = "app/" + full,
                .base = folder ? planning.layer.view / kAside : planning.layer.code,
                .path = full};
    mount.links = true;
    mount.writable = folder;
    planning.view.mounts.push_back(std::move(mount));
    return {};
  }
  std::string leads_to(4096, '\0');
  ssize_t length = ::readlinkat(planning.code.get(), full.c_str(), leads_to.data(), leads_to.size());
  if (length > 0) planning.links.push_back({full, leads_to.substr(0, static_cast<std::size_t>(length))});
  return {};
}

// Files that only the releases of other running instances have: here their mount points would be empty files. (Folders
// stay empty folders.)
void KeptData::plan_absent(Planning& planning) const {
  std::set<std::string> of_others;
  for (const auto& [user, points] : record_.mount_points)
    if (user != planning.layer.id) of_others.insert(points.begin(), points.end());
  for (const auto& path : of_others) {
    bool ours = look(planning.code, path) || planning.files.contains(path) || !shows_kept(planning, parent_of(path));
    auto parent = open_folder(data_, parent_of(path));
    auto there = parent ? look(*parent, name_of(path)) : std::nullopt;
    if (!ours && there && there->is_file() && there->facts.st_size == 0)
      planning.view.mounts.push_back({.kind = "absent", .to = "app/" + path});
  }
}

bool KeptData::is_mount_point(const std::string& path, const std::string& except) const {
  return std::ranges::any_of(record_.mount_points,
                             [&](const auto& user) { return user.first != except && user.second.contains(path); });
}

// Written down before they are made: a crash in between leaves a note about something that is not there, which is
// harmless, and never an empty file that nobody remembers.
base::Result<void> KeptData::make_mount_points(Planning& planning, const std::string& id) {
  auto& ours = record_.mount_points[id];
  for (const auto& point : planning.points) {
    auto parent = open_folder(data_, parent_of(point.path));
    if (!parent || !look(*parent, name_of(point.path)) || is_mount_point(point.path, id)) ours.insert(point.path);
  }
  if (auto saved = save(); !saved) return saved;
  for (const auto& point : planning.points)
    if (auto made = make_mount_point(point, id); !made) return made;
  for (const auto& [path, target] : planning.links) {
    auto parent = make_folder(data_, parent_of(path), owner_);
    if (!parent || ::symlinkat(target.c_str(), parent->get(), name_of(path).c_str()) < 0) continue;
    if (::fchownat(parent->get(), name_of(path).c_str(), owner_.uid, owner_.gid, AT_SYMLINK_NOFOLLOW) < 0)
      return base::errno_error(fmt::format("give the app its link {}", path));
  }
  return {};
}

base::Result<void> KeptData::make_mount_point(const MountPoint& point, const std::string& id) {
  auto parent = make_folder(data_, parent_of(point.path), owner_);
  if (!parent) return std::unexpected(parent.error());
  auto name = name_of(point.path);
  auto there = look(*parent, name);
  if (there && (there->is_link() || there->is_folder() != point.folder)) {
    // An older release had a folder where this one has a file (or the app made something of the kind). Taking a mount
    // point away would tear the mount out of the instance that has it.
    if (is_mount_point(point.path, id)) {
      return std::unexpected(
          base::Error(base::Kind::conflict,
                      fmt::format("/app/{} is a {} in the running release and a {} in this one", point.path,
                                  there->is_folder() ? "folder" : "file", point.folder ? "folder" : "file"),
                      "stop the app first, then deploy again"));
    }
    if (auto moved = move_aside(*parent, name, *parent, "aside"); !moved) return std::unexpected(moved.error());
    there.reset();
  }
  if (there) return {};
  if (point.folder) {
    if (::mkdirat(parent->get(), name.c_str(), 0755) < 0)
      return base::errno_error(fmt::format("make mount point {}", point.path));
    return {};
  }
  auto made = base::open_at(parent->get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!made) return base::wrap(made.error(), fmt::format("make mount point {}", point.path));
  return {};
}

base::Result<void> KeptData::remove_mount_point(const std::string& path) {
  auto parent = open_folder(data_, parent_of(path));
  if (!parent) return {};  // gone with the folder around it
  auto there = look(*parent, name_of(path));
  if (!there) return {};
  if (there->is_folder()) {
    ::unlinkat(parent->get(), name_of(path).c_str(), AT_REMOVEDIR);  // stays when the app put something into it
  } else if (there->is_file() && there->facts.st_size == 0) {
    ::unlinkat(parent->get(), name_of(path).c_str(), 0);
  }
  return {};
}

base::Result<void> KeptData::let_go(const std::string& id) {
  auto found = record_.mount_points.find(id);
  if (found == record_.mount_points.end()) return {};
  auto points = std::move(found->second);
  record_.mount_points.erase(found);
  // Deepest first, so that folders are empty when their turn comes.
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    if (is_mount_point(*point, "")) continue;
    if (auto removed = remove_mount_point(*point); !removed) return removed;
  }
  return save();
}

std::vector<std::string> KeptData::users() const {
  std::vector<std::string> ids;
  for (const auto& [id, points] : record_.mount_points) ids.push_back(id);
  return ids;
}

}  // namespace environment
