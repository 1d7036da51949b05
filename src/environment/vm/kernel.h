// The kernel that guests run: Debian's own, from this host's package sources, with the modules that a guest needs.
//
// linux-image-amd64 and not linux-image-cloud-amd64, though that is smaller: only it has virtio-9p, by which a guest
// shares the app's data with the host (docs/isolation.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace environment {

struct GuestKernel {
  std::string version;                         // "6.1.0-41-amd64"
  std::filesystem::path image;                 // unpacked where it can be
  std::vector<std::filesystem::path> modules;  // in the order of loading
};

// Kept in a folder (ROOT/vm/kernels), one kernel in each of its folders. Not thread-safe.
class GuestKernels {
 public:
  explicit GuestKernels(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // What is kept here. Kind::not_found: nothing is.
  base::Result<GuestKernel> find() const;
  // Takes it from the host's /boot, or downloads the package, which takes about half a minute.
  base::Result<GuestKernel> get() const;
  // Whether it is there or could be had; the error says what is missing.
  base::Result<void> can_be_had() const;

 private:
  base::Result<void> take_installed() const;
  base::Result<void> download() const;
  base::Result<void> keep(const std::filesystem::path& image, const std::filesystem::path& modules) const;

  std::filesystem::path folder_;
};

}  // namespace environment
