// The kernel's cache of file contents, for starts that are to be cold.
#pragma once

#include <filesystem>

namespace control_plane {

// Lets go of what is cached of the files below a folder: clean pages that no process has mapped, so nothing is lost and
// nobody who runs notices more than a slower next read. Follows no links.
void forget_cached(const std::filesystem::path& folder);

}  // namespace control_plane
