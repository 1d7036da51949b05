#include "app/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

namespace app {
namespace {

bool is_kind(int fd, mode_t kind) {
  struct stat facts;
  return ::fstat(fd, &facts) == 0 && (facts.st_mode & S_IFMT) == kind;
}

std::string beneath(const std::string& path) { return path.empty() ? "." : path; }

FolderEntry::Kind entry_kind(const dirent& entry) {
  switch (entry.d_type) {
    case DT_REG:
      return FolderEntry::Kind::file;
    case DT_DIR:
      return FolderEntry::Kind::folder;
    case DT_LNK:
      return FolderEntry::Kind::link;
    default:
      return FolderEntry::Kind::other;
  }
}

}  // namespace

bool is_skipped_folder(std::string_view name) {
  constexpr std::array skipped = {"__pycache__", "node_modules", "venv", "env", "site-packages", "htmlcov"};
  return name.starts_with('.') || std::ranges::find(skipped, name) != skipped.end() || name.ends_with(".egg-info");
}

base::Result<Folder> Folder::open(const std::string& path) {
  auto fd = base::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return std::unexpected(fd.error());
  return Folder(std::move(*fd));
}

base::Result<std::string> Folder::read(const std::string& path, std::size_t limit) const {
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  auto fd = base::open_beneath(fd_.get(), path, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  if (!is_kind(fd->get(), S_IFREG)) return base::not_found("{} is not a regular file", path);
  auto content = base::read_all(fd->get(), limit);
  if (!content) return base::wrap(content.error(), "read " + path);
  return content;
}

std::optional<std::string> Folder::find(const std::string& path, std::size_t limit) const {
  auto content = read(path, limit);
  return content ? std::optional(std::move(*content)) : std::nullopt;
}

bool Folder::has_file(const std::string& path) const {
  auto fd = base::open_beneath(fd_.get(), path, O_PATH);
  return fd && is_kind(fd->get(), S_IFREG);
}

bool Folder::has_folder(const std::string& path) const {
  auto fd = base::open_beneath(fd_.get(), beneath(path), O_PATH);
  return fd && is_kind(fd->get(), S_IFDIR);
}

std::vector<FolderEntry> Folder::list(const std::string& path) const {
  auto fd = base::open_beneath(fd_.get(), beneath(path), O_RDONLY | O_DIRECTORY);
  if (!fd) return {};
  std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd->get()), ::closedir);
  if (!folder) return {};
  fd->release();  // closedir closes it
  std::vector<FolderEntry> entries;
  while (const dirent* entry = ::readdir(folder.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry_kind(*entry)});
  }
  std::ranges::sort(entries, {}, &FolderEntry::name);
  return entries;
}

std::vector<std::string> Folder::files(int depth, std::size_t count) const {
  std::vector<std::string> found;
  std::function<void(const std::string&, int)> visit = [&](const std::string& prefix, int left) {
    for (const auto& entry : list(prefix)) {
      if (found.size() >= count) return;
      auto path = prefix.empty() ? entry.name : prefix + "/" + entry.name;
      if (entry.kind == FolderEntry::Kind::file) found.push_back(path);
      if (entry.kind == FolderEntry::Kind::folder && left > 0 && !is_skipped_folder(entry.name)) visit(path, left - 1);
    }
  };
  visit("", depth);
  std::ranges::sort(found);
  return found;
}

}  // namespace app
