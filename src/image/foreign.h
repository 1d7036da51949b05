// Images that others made: what a registry or a builder gave is read as outside bytes.
#pragma once

#include <filesystem>
#include "image/layer.h"

namespace image {

// Puts the layers of the one image in a layout over each other, into an existing empty folder: folders, files and
// links, with their modes but for set-id bits, all of the caller's user. Devices, pipes and extended attributes stay
// out. Nothing is followed that the layers bring, and nothing is written outside of `folder`. The layout is nobody's to
// change meanwhile, and its blobs have the digests that they are named by.
base::Result<void> flatten_image(const std::filesystem::path& layout, const std::filesystem::path& folder,
                                 const Bounds& bounds = {});

}  // namespace image
