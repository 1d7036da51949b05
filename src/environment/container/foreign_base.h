// The lowest layer of a container's image, from an image that the app's owner names: its system, with a Python and the
// engine's libraries of our own base added where it lacks them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "environment/spec.h"
#include "image/layer.h"

namespace environment {

// What the layer of these parts is found by; `parts.base` names the image.
std::string foreign_base_key(const Parts& parts);

// Fetches the image into an existing empty folder and says what goes into the layer. `own` is our own base, unpacked:
// what is added comes from there. Given up once `cancel_fd` is readable. Kind::unsupported, with the reason, for an
// image that apps cannot run on.
base::Result<std::vector<image::Source>> foreign_base(const Parts& parts, const std::filesystem::path& own,
                                                      const std::filesystem::path& scratch, int cancel_fd = -1);

// The same of a system that was fetched already: what our own base has to add to it.
base::Result<std::vector<image::Source>> additions(const Parts& parts, const std::filesystem::path& own,
                                                   const std::filesystem::path& system);

}  // namespace environment
