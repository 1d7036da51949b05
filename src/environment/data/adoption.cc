// The second half of KeptData: what an instance wrote outside its data folders becomes data when it has ended.
#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "environment/data/kept.h"
#include "environment/data/tree.h"

namespace environment {

// One thing found in an upper folder.
struct KeptData::Written {
  enum class What { new_file, new_folder, changed_data, changed_release_file };
  std::string path;
  What what;
};

namespace {

// What Python makes for itself and makes again.
bool is_cache(const std::string& name) {
  return name == "__pycache__" || name == ".pytest_cache" || name == ".mypy_cache" || name.ends_with(".pyc");
}

bool has_content(const base::Fd& folder) {
  auto entries = list(folder);
  return entries && std::ranges::any_of(
                        *entries, [](const Entry& entry) { return !is_cache(entry.name) && !entry.is_whiteout(); });
}

}  // namespace

base::Result<std::vector<KeptData::Written>> KeptData::scan(const Layer& layer) {
  std::vector<Written> found;
  auto upper = base::open(layer.upper.string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!upper) return found;  // never prepared
  auto code = base::open(layer.code.string(), O_PATH | O_DIRECTORY);
  if (!code) return base::wrap(code.error(), "open the release");
  if (auto scanned = scan(layer, *upper, &*code, "", found); !scanned) return std::unexpected(scanned.error());
  return found;
}

base::Result<void> KeptData::scan(const Layer& layer, const base::Fd& upper, const base::Fd* release,
                                  const std::string& path, std::vector<Written>& found) {
  using What = Written::What;
  auto entries = list(upper);
  if (!entries) return std::unexpected(entries.error());
  for (const auto& entry : *entries) {
    auto full = join(path, entry.name);
    if (is_cache(entry.name)) continue;
    auto original = look(*release, entry.name);
    if (entry.is_whiteout()) {
      found.push_back({full, What::changed_release_file});
    } else if (entry.is_folder()) {
      auto inside = open_folder(upper, entry.name);
      if (!inside) return std::unexpected(inside.error());
      if (original && original->is_folder()) {
        auto below = open_folder(*release, entry.name);
        if (!below) return std::unexpected(below.error());
        if (auto scanned = scan(layer, *inside, &*below, full, found); !scanned) return scanned;
      } else if (has_content(*inside) || !record_.folders.contains(full)) {
        found.push_back({full, What::new_folder});  // an empty one that is a data folder is just its mount point
      }
    } else if (entry.is_file() || entry.is_link()) {
      auto changed = entry.is_file() && is_sqlite(upper, entry.name) ? What::changed_data : What::changed_release_file;
      found.push_back({full, original ? changed : What::new_file});
    }
  }
  return {};
}

base::Result<std::vector<std::string>> KeptData::unadopted(const Layer& layer) {
  auto found = scan(layer);
  if (!found) return std::unexpected(found.error());
  std::vector<std::string> paths;
  for (const auto& written : *found)
    if (written.what != Written::What::changed_release_file) paths.push_back(written.path);
  return paths;
}

base::Result<Adoption> KeptData::adopt(const Layer& layer) {
  auto found = scan(layer);
  if (!found) return std::unexpected(found.error());
  Adoption adoption;
  if (found->empty()) return adoption;
  auto upper = base::open(layer.upper.string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!upper) return std::unexpected(upper.error());
  for (const auto& written : *found) {
    if (written.what == Written::What::changed_release_file) {
      adoption.discarded.push_back(written.path);
    } else if (auto kept = keep(layer, *upper, written, adoption); !kept) {
      return base::wrap(kept.error(), fmt::format("keep what was written at /app/{}", written.path));
    }
  }
  if (auto saved = save(); !saved) return std::unexpected(saved.error());
  return adoption;
}

base::Result<void> KeptData::keep(const Layer& layer, const base::Fd& upper, const Written& written,
                                  Adoption& adoption) {
  auto name = name_of(written.path), folder = parent_of(written.path);
  auto from = open_folder(upper, folder);
  auto to = make_folder(data_, folder, owner_);
  if (!from) return std::unexpected(from.error());
  if (!to) return std::unexpected(to.error());
  bool is_new_folder = written.what == Written::What::new_folder;
  auto data_folder = is_new_folder ? written.path : folder;
  auto there = look(*to, name);
  if (there && !there->is_folder() && there->facts.st_size == 0 && is_mount_point(written.path, "")) {
    ::unlinkat(to->get(), name.c_str(), 0);  // an old mount point
    there.reset();
  }
  std::string target = name;
  if (there && is_new_folder && there->is_folder() && ::unlinkat(to->get(), name.c_str(), AT_REMOVEDIR) < 0) {
    // Another instance made it too: what is inside is kept one by one.
    auto inside = open_folder(*from, name);
    auto entries = inside ? list(*inside) : base::Result<std::vector<Entry>>(std::unexpected(inside.error()));
    if (!entries) return std::unexpected(entries.error());
    for (const auto& entry : *entries) {
      if (is_cache(entry.name)) continue;
      auto what = entry.is_folder() ? Written::What::new_folder : Written::What::new_file;
      if (auto kept = keep(layer, upper, {join(written.path, entry.name), what}, adoption); !kept) return kept;
    }
    return {};
  }
  if (there && !is_new_folder) {
    auto moved = move_aside(*from, name, *to, "from-" + layer.id);
    if (!moved) return std::unexpected(moved.error());
    target = std::move(*moved);
    adoption.conflicts.push_back(join(folder, target));
  } else if (::renameat2(from->get(), name.c_str(), to->get(), target.c_str(), RENAME_NOREPLACE) < 0) {
    return base::errno_error("move it");
  }
  if (::fchownat(to->get(), target.c_str(), owner_.uid, owner_.gid, AT_SYMLINK_NOFOLLOW) < 0)
    return base::errno_error("give it to the app");
  if (!is_new_folder) adoption.files.push_back(written.path);
  if (written.what == Written::What::changed_data) record_.files.insert(written.path);
  if (!data_folder.empty() && record_.folders.insert(data_folder).second) adoption.folders.push_back(data_folder);
  return {};
}

}  // namespace environment
