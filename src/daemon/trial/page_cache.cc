#include "daemon/trial/page_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

namespace control_plane {

void forget_cached(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->is_regular_file(error) || at->is_symlink(error)) continue;
    auto file = base::open(at->path().string(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) continue;
    (void)::fdatasync(file->get());  // pages that are not written yet cannot be let go
    (void)::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

}  // namespace control_plane
