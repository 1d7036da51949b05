// Walking folders that belong to an app, as root: by descriptor, one component at a time, never through a link.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "environment/identity.h"

namespace environment {

// A path relative to /app with "." and empty parts removed, also when given as "/app/…"; "" is /app itself.
// Kind::invalid when it is absolute elsewhere or climbs with "..".
base::Result<std::string> inside_app(const std::string& path);

struct Entry {
  std::string name;
  struct stat facts;
  bool is_folder() const { return S_ISDIR(facts.st_mode); }
  bool is_file() const { return S_ISREG(facts.st_mode); }
  bool is_link() const { return S_ISLNK(facts.st_mode); }
  // overlayfs.rst: a removed lower file is a character device 0/0 in the upper folder.
  bool is_whiteout() const { return S_ISCHR(facts.st_mode) && facts.st_rdev == 0; }
};
// Sorted by name, without "." and "..".
base::Result<std::vector<Entry>> list(const base::Fd& folder);
std::optional<Entry> look(const base::Fd& folder, const std::string& name);

base::Result<base::Fd> open_folder(const base::Fd& beneath, const std::string& path);
// Makes what is missing, owned by `owner`; a link or file in the way is renamed to NAME.aside.
base::Result<base::Fd> make_folder(const base::Fd& beneath, const std::string& path, Identity owner);
// Renames an entry to NAME.SUFFIX in a folder where that is not there, else to NAME.SUFFIX-2 and so on; a long NAME is
// shortened. Gives the new name.
base::Result<std::string> move_aside(const base::Fd& from, const std::string& name, const base::Fd& to,
                                     const std::string& suffix);
// A new file with the content of another; fails when it exists already. `lasting`: on the disk before this returns.
enum class Copy { lasting, passing };
base::Result<void> copy_file(const base::Fd& from, const std::string& from_name, const base::Fd& to,
                             const std::string& to_name, Identity owner, Copy copy = Copy::lasting);
// Whether a regular file begins as a SQLite database does ("SQLite format 3\0", fileformat2.html §1.3).
bool is_sqlite(const base::Fd& folder, const std::string& name);

std::string join(const std::string& folder, const std::string& name);
std::string parent_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace environment
