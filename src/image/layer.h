// A layer of an OCI image: a tar of files of this host, gzip-compressed, that comes out the same wherever and whenever
// the same files are packed: sorted names, owner 0, no times beside the modification times, one compression level.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"

namespace image {

// The modification time of everything: 1980-01-01T00:00:00Z, the first that a zip file can say.
constexpr std::int64_t kTime = 315532800;

// A folder (or one file) of the host that goes into a layer.
struct Source {
  std::filesystem::path from;
  std::string to;           // where in the image, without the leading "/"; empty: the root
  bool keep_modes = false;  // but for set-id bits; else 0755 for folders and programs, 0644 for other files
  // Paths relative to `from` that stay behind, with all that is below them.
  std::function<bool(const std::string& path)> leave_out = {};
};

// As an image manifest describes it (OCI image-spec 1.0: descriptor.md, config.md). Digests are hex SHA-256 without
// their "sha256:".
struct Layer {
  std::string name;        // "base", "interpreter", "engine", "dependencies", "app"
  std::string digest;      // of the blob
  std::string diff_id;     // of the tar in it
  std::uint64_t size = 0;  // of the blob, in bytes
};

// How much goes into one layer: an app could make a file of any size, and whoever packs it is root.
struct Bounds {
  std::uint64_t bytes = 10ULL << 30;  // of all files together, as long as they say they are
  std::uint64_t entries = 1'000'000;
  std::uint64_t free_bytes = 1ULL << 30;  // are left on the disk, beside what is reserved for root
};

// Packs the sources, in their order, into an open file. Devices, sockets and pipes stay behind. Nothing is followed
// that is a link, so a folder that belongs to an app may be packed by root. Beyond the bounds it is an error that names
// the file; so are names that mean something else in an image (layer.md, "Whiteouts": ".wh.NAME" removes NAME).
base::Result<Layer> write_layer(const std::string& name, const std::vector<Source>& sources, const base::Fd& blob,
                                const Bounds& bounds = {});

// Unpacks a layer that `write_layer` made into an existing empty folder.
base::Result<void> unpack_layer(const std::filesystem::path& blob, const std::filesystem::path& folder,
                                const Bounds& bounds = {});

// Hex SHA-256 of a file.
base::Result<std::string> digest_file(const std::filesystem::path& file);

}  // namespace image
