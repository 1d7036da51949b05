// Copying folders that belong to an app, as root: by descriptor, without following a link.
#pragma once

#include <cstdint>

#include "environment/data/tree.h"

namespace environment {

struct Copied {
  std::uint64_t files = 0, bytes = 0;
  std::uint64_t left_out = 0;      // sockets, pipes, devices
  bool changed_meanwhile = false;  // a file was written while it was copied, more than once: it may be torn
};

// Copies what is in `from` (folders, regular files and links, as links) into `to`, which is empty, for `owner`. A file
// that changes while it is copied is copied again, a few times. Kind::overloaded beyond `most_bytes`.
base::Result<Copied> copy_tree(const base::Fd& from, const base::Fd& to, Identity owner, std::uint64_t most_bytes);

}  // namespace environment
