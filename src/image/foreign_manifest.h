// What the texts in an image that others made say (image-spec 1.0: image-index.md, manifest.md, config.md). Outside
// bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace image {

// Of an image in the OCI format or Docker's (manifest.md; Docker's schema 2).
struct ForeignManifest {
  std::string config;               // hex SHA-256
  std::vector<std::string> layers;  // the lowest first
};

// The digest of the one image in an index.json. Several, or an index of indexes, are an error.
base::Result<std::string> parse_index(std::string_view text);
base::Result<ForeignManifest> parse_manifest(std::string_view text);
// Whether a configuration is for this machine: Kind::unsupported says for which it is.
base::Result<void> check_platform(std::string_view config);

}  // namespace image
