// app::Folder: a read-only view of a tree that somebody else wrote (an unpacked upload), safe to use as root.
//
// Every path is opened beneath the folder (openat2 RESOLVE_BENEATH): no link, `..` or absolute path leaves it. Only
// regular files are read; devices, FIFOs and sockets count as absent. Paths are relative, '/'-separated, UTF-8 or not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace app {

struct FolderEntry {
  std::string name;
  enum class Kind { file, folder, link, other } kind;
};

class Folder {
 public:
  static base::Result<Folder> open(const std::string& path);

  // The content of a regular file: Kind::not_found when it is absent, Kind::overloaded beyond `limit` bytes.
  base::Result<std::string> read(const std::string& path, std::size_t limit = 8 << 20) const;
  // The content when there is such a readable file of at most `limit` bytes.
  std::optional<std::string> find(const std::string& path, std::size_t limit = 8 << 20) const;
  bool has_file(const std::string& path) const;
  bool has_folder(const std::string& path) const;
  // Sorted by name; empty when there is no such folder. "" is the folder itself.
  std::vector<FolderEntry> list(const std::string& path = "") const;
  // The regular files below the folder, sorted, at most `depth` folders deep and `count` many; skips hidden folders,
  // caches, virtual environments and node_modules.
  std::vector<std::string> files(int depth, std::size_t count = 5000) const;
  int fd() const { return fd_.get(); }

 private:
  explicit Folder(base::Fd fd) : fd_(std::move(fd)) {}
  base::Fd fd_;
};

// A folder that is never source code of the app: hidden, a cache, node_modules.
bool is_skipped_folder(std::string_view name);

}  // namespace app
