// Whole files and folders: small helpers that fail with a base::Error.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace base {

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 16 << 20);
// Writes beside the target, syncs and renames: readers see the old content or the new, never a part.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content, mode_t mode = 0644);
// mkdir -p with this mode for the folders it makes.
Result<void> make_folders(const std::filesystem::path& path, mode_t mode = 0755);
// Removes a tree without following links; a path that is not there is no error. What is mounted in it is not touched:
// the error names the place (Kind::conflict), and the rest may be gone by then.
Result<void> remove_tree(const std::filesystem::path& path);
Result<void> change_owner(const std::filesystem::path& path, uid_t uid, gid_t gid);
// The folder of the running executable.
std::filesystem::path executable_folder();

}  // namespace base
