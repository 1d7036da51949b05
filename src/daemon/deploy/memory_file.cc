#include "daemon/deploy/memory_file.h"

#include <sys/mman.h>
#include <unistd.h>

namespace control_plane {

base::Result<base::Fd> memory_file(const std::string& content) {
  base::Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (!file.is_open()) return base::errno_error("create a file in memory");
  if (auto written = base::write_all(file.get(), content); !written) return std::unexpected(written.error());
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return base::errno_error("rewind a file in memory");
  return file;
}

}  // namespace control_plane
