// environment::RootFolder: reads files of a root file system that others made. Its links lead where they would for a
// process that has it as its root, never to files of the host (openat2(2), RESOLVE_IN_ROOT).
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.h"

namespace environment {

class RootFolder {
 public:
  static base::Result<RootFolder> open(const std::filesystem::path& folder);

  // Regular files only, up to `limit` bytes (then Kind::overloaded).
  base::Result<std::string> read(const std::string& path, std::size_t limit = 16 << 20) const;
  bool has(const std::string& path) const;

 private:
  explicit RootFolder(base::Fd folder) : folder_(std::move(folder)) {}
  base::Result<base::Fd> open_inside(const std::string& path, int flags) const;

  base::Fd folder_;
};

}  // namespace environment
