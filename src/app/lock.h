// What pins an app's dependencies, and how uv can install exactly that.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/finding.h"
#include "app/folder.h"
#include "app/requirement.h"
#include "base/error.h"

namespace app {

enum class LockKind { none, uv, pylock, poetry, pipfile, requirements, pyproject };
std::string_view lock_name(LockKind kind);  // "uv.lock"

struct Lock {
  LockKind kind = LockKind::none;
  std::string file;                         // relative path: "requirements.txt"; empty for none
  bool hashed = false;                      // every package carries hashes
  std::vector<std::string> packages;        // normalised names, where the file tells them: locked, or the direct ones
  std::optional<std::string> requirements;  // converted locks: the requirements.txt for uv
  // How the project in the folder is installed beside its dependencies.
  enum class Project { not_installed, editable } project = Project::not_installed;
  bool depends_on_code = false;   // the installation reads the project's code (local path requirements)
  std::string digest;             // of every file that decides what is installed
  std::vector<Finding> findings;  // the choice explained; other locks that were ignored
};

// Chooses uv.lock, poetry.lock, Pipfile.lock, pylock.toml, requirements.txt, pyproject.toml in this order and reads
// it. Refuses, with the reason, what cannot be installed exactly.
base::Result<Lock> find_lock(const Folder& folder);

}  // namespace app
