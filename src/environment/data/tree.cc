#include "environment/data/tree.h"

#include <dirent.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace environment {
namespace {

base::Result<base::Fd> open_strictly(int dir, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = ::syscall(SYS_openat2, dir, path.empty() ? "." : path.c_str(), &how, sizeof how);
  if (fd < 0) return base::errno_error(fmt::format("open {}", path));
  return base::Fd(static_cast<int>(fd));
}

}  // namespace

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}
std::string parent_of(const std::string& path) { return std::filesystem::path(path).parent_path(); }
std::string name_of(const std::string& path) { return std::filesystem::path(path).filename(); }

base::Result<std::string> inside_app(const std::string& path) {
  std::filesystem::path given(path);
  if (given.is_absolute()) {
    const std::filesystem::path app("/app");
    if (std::ranges::mismatch(given, app).in2 != app.end()) {
      return base::invalid("keep {}: it is not below /app; only folders beside the code and the home are kept", path);
    }
    given = given.lexically_relative("/app");
  }
  std::string clean;
  for (const auto& part : given) {
    if (part == "..") return base::invalid("keep {}: it leaves the app's folder", path);
    if (!part.empty() && part != ".") clean = join(clean, part);
  }
  return clean;
}

std::optional<Entry> look(const base::Fd& folder, const std::string& name) {
  Entry entry{name, {}};
  if (::fstatat(folder.get(), name.c_str(), &entry.facts, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
  return entry;
}

base::Result<std::vector<Entry>> list(const base::Fd& folder) {
  auto readable = open_strictly(folder.get(), ".", O_RDONLY | O_DIRECTORY);
  if (!readable) return std::unexpected(readable.error());
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(readable->get()), &::closedir);
  if (!stream) return base::errno_error("list a folder");
  readable->release();
  std::vector<Entry> entries;
  while (auto* found = ::readdir(stream.get())) {
    std::string name = found->d_name;
    if (name == "." || name == "..") continue;
    if (auto entry = look(folder, name)) entries.push_back(std::move(*entry));
  }
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

base::Result<base::Fd> open_folder(const base::Fd& beneath, const std::string& path) {
  return open_strictly(beneath.get(), path, O_PATH | O_DIRECTORY);
}

base::Result<base::Fd> make_folder(const base::Fd& beneath, const std::string& path, Identity owner) {
  auto at = open_strictly(beneath.get(), ".", O_PATH | O_DIRECTORY);
  for (const auto& part : std::filesystem::path(path)) {
    if (!at) return at;
    auto found = look(*at, part);
    if (found && !found->is_folder()) {
      if (auto moved = move_aside(*at, part, *at, "aside"); !moved) return std::unexpected(moved.error());
      found.reset();
    }
    if (!found) {
      if (::mkdirat(at->get(), part.c_str(), 0755) < 0 && errno != EEXIST)
        return base::errno_error(fmt::format("make folder {}", path));
    }
    at = open_strictly(at->get(), part, O_PATH | O_DIRECTORY);
    // Also one that was there: it may have been made as a mount point, for nobody.
    if (at && (!found || found->facts.st_uid != owner.uid) &&
        ::fchownat(at->get(), "", owner.uid, owner.gid, AT_EMPTY_PATH) < 0) {
      return base::errno_error(fmt::format("give folder {} to the app", path));
    }
  }
  return at;
}

base::Result<std::string> move_aside(const base::Fd& from, const std::string& name, const base::Fd& to,
                                     const std::string& suffix) {
  for (int number = 1; number < 1000; number++) {
    auto end = number == 1 ? "." + suffix : fmt::format(".{}-{}", suffix, number);
    auto other = name.substr(0, NAME_MAX - end.size()) + end;
    if (::renameat2(from.get(), name.c_str(), to.get(), other.c_str(), RENAME_NOREPLACE) == 0) return other;
    if (errno != EEXIST) break;
  }
  return base::errno_error(fmt::format("move {} aside", name));
}

base::Result<void> copy_file(const base::Fd& from, const std::string& from_name, const base::Fd& to,
                             const std::string& to_name, Identity owner, Copy copy) {
  auto source = open_strictly(from.get(), from_name, O_RDONLY);
  if (!source) return std::unexpected(source.error());
  struct stat facts;
  if (::fstat(source->get(), &facts) < 0 || !S_ISREG(facts.st_mode))
    return base::invalid("copy {}: it is no regular file", from_name);
  auto temporary = "." + to_name + ".copying";
  ::unlinkat(to.get(), temporary.c_str(), 0);
  auto target = base::open_at(to.get(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!target) return std::unexpected(target.error());
  ssize_t copied;
  while ((copied = ::sendfile(target->get(), source->get(), nullptr, 1 << 30)) > 0) {
  }
  bool whole = copied == 0 && ::fchmod(target->get(), (facts.st_mode & 0777) | 0600) == 0 &&
               ::fchown(target->get(), owner.uid, owner.gid) == 0 &&
               (copy == Copy::passing || ::fsync(target->get()) == 0) &&
               ::renameat2(to.get(), temporary.c_str(), to.get(), to_name.c_str(), RENAME_NOREPLACE) == 0;
  if (whole) return {};
  auto error = base::errno_error(fmt::format("copy {} to the kept data", from_name));
  ::unlinkat(to.get(), temporary.c_str(), 0);
  return error;
}

bool is_sqlite(const base::Fd& folder, const std::string& name) {
  static constexpr std::string_view kMagic("SQLite format 3\0", 16);
  auto file = open_strictly(folder.get(), name, O_RDONLY | O_NONBLOCK);
  char head[16];
  return file && ::pread(file->get(), head, sizeof head, 0) == sizeof head && std::string_view(head, 16) == kMagic;
}

}  // namespace environment
