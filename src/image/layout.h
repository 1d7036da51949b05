// image::Layout: a folder in the form of an OCI image layout (image-spec 1.0, image-layout.md): `oci-layout`,
// `index.json`, and blobs named by their SHA-256. podman, skopeo, crane and umoci read it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "image/layer.h"

namespace image {

// What a runtime needs to know to run an image (config.md). Variables and labels come out sorted.
struct Config {
  std::vector<std::string> command;  // the entry point
  std::map<std::string, std::string> env;
  std::string folder = "/app";  // where it starts
  std::string user = "65534:65534";
  std::uint16_t port = 0;  // that it listens on; 0: none
  std::map<std::string, std::string> labels;
};

struct Image {
  std::string name;        // "mysite:r7": how index.json calls it
  std::string digest;      // of the manifest
  std::uint64_t size = 0;  // of all its layers' blobs
  std::vector<Layer> layers;
};

class Layout {
 public:
  // Makes the folder into an empty layout when it is none.
  static base::Result<Layout> open(std::filesystem::path folder);

  // Writes the configuration and the manifest of an image whose layers' blobs are there; an image of the same name is
  // forgotten. The same layers and configuration give the same digest.
  base::Result<Image> add(const std::string& name, const std::vector<Layer>& layers, const Config& config);
  base::Result<void> remove(const std::string& name);
  // Manifest digests by name.
  base::Result<std::map<std::string, std::string>> images() const;

  std::filesystem::path blob(const std::string& digest) const { return folder_ / "blobs" / "sha256" / digest; }
  const std::filesystem::path& folder() const { return folder_; }
  // Removes the blobs that no image of index.json and none of `keep` names.
  base::Result<void> collect(const std::vector<std::string>& keep);

 private:
  explicit Layout(std::filesystem::path folder) : folder_(std::move(folder)) {}
  base::Result<std::string> add_blob(const std::string& content);
  base::Result<void> write_index(const std::map<std::string, std::string>& images);

  std::filesystem::path folder_;
};

// This machine, as config.md names it (GOARCH): "amd64".
std::string architecture();

// The digests of a manifest's blobs: its own, the configuration's, and the layers', the lowest first.
base::Result<std::vector<std::string>> blobs_of(const std::filesystem::path& layout, const std::string& manifest);

struct Export {
  enum class Format {
    oci,            // a new folder in the form of a layout, or an archive of one when the name ends in ".tar"
    docker_archive  // one archive for `docker load`
  };
  std::filesystem::path layout;
  std::string name, manifest;
  Format format = Format::oci;
};
// Copies one image of a layout to `to`. What is there already is not overwritten.
base::Result<void> export_image(const Export& what, const std::filesystem::path& to);

}  // namespace image
