// environment::Disks: ROOT/vm/disks: the layers of apps' images (image::Store) as read-only disks of virtual machines,
// each made once, whoever uses it. Thread-safe.
#pragma once

#include <filesystem>
#include <mutex>

#include "base/error.h"
#include "environment/identity.h"

namespace environment {

class Disks {
 public:
  explicit Disks(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The disk of a layer, named by the folder that the layer is unpacked in. The first of a base takes some ten seconds.
  base::Result<std::filesystem::path> of_layer(const std::filesystem::path& unpacked);
  bool has(const std::filesystem::path& unpacked) const { return std::filesystem::exists(file_of(unpacked)); }
  // Removes the disks of layers that are gone from `layers`.
  base::Result<void> sweep(const std::filesystem::path& layers);

 private:
  std::filesystem::path file_of(const std::filesystem::path& unpacked) const {
    return folder_ / (unpacked.filename().string() + ".squashfs");
  }

  std::filesystem::path folder_;
  std::mutex mutex_;
};

// An empty ext4 disk for what a machine writes beside its data; it takes only the space that is used. No journal: it
// goes with the instance.
base::Result<void> make_scratch_disk(const std::filesystem::path& file, std::uint64_t bytes, Identity owner);

// mksquashfs and mke2fs; the error names the package.
base::Result<void> check_disk_tools();

}  // namespace environment
