// The edge's logs: opened and rotated by root in a folder that belongs to the edge's user.
#pragma once

#include <filesystem>

#include "base/fd.h"

namespace control_plane {

// FOLDER/edge.log to append to. What else lies under that name (a link, a FIFO, a second name of another file) was put
// there by a broken-in edge: it is removed, never written to.
base::Result<base::Fd> open_edge_log(const std::filesystem::path& folder);
// LOG becomes LOG.1, LOG.1 becomes LOG.2 and so on up to LOG.5, once it has 64 MiB; whether it did.
bool rotate_if_large(const std::filesystem::path& log);

}  // namespace control_plane
