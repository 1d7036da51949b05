// Images to and from registries, by skopeo (containers/skopeo), which knows their protocols, credentials and
// certificates. It is called as an argument vector; credentials never are an argument.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "app/image_reference.h"

namespace image {

// How a registry is spoken to.
struct Access {
  // Credentials as `skopeo login` and `docker login` write them; empty: where skopeo looks for them itself
  // (containers-auth.json(5)).
  std::filesystem::path authfile;
  // The registry's certificate is not checked, and plain HTTP is spoken where it has none.
  bool insecure = false;
};

struct Push {
  std::filesystem::path layout;
  std::string name;  // of the image in the layout's index: "shop:r7"
  app::ImageReference to;
  Access access;
  int progress_fd = -1;  // where skopeo draws what it does; -1: nowhere
};

// Uploads the image as it is, under the digest that it has; of its layers those that the registry lacks.
base::Result<void> push_image(const Push& push);

// The digest that a reference has now: of the manifest, or of the list of manifests for several machines. `cancel_fd`:
// given up once it is readable.
base::Result<std::string> resolve_image(const app::ImageReference& reference, int cancel_fd = -1);
// Puts the image for this machine into an existing empty folder, in the form of a layout. How registries are spoken to
// is the host's (/etc/containers/registries.conf and policy.json, root's credentials).
base::Result<void> fetch_image(const app::ImageReference& reference, const std::filesystem::path& layout,
                               int cancel_fd = -1);

// What skopeo's complaint (its standard error) means, and what to do about it.
enum class Errand { push, fetch };
base::Error explain_skopeo(std::string_view complaint, const std::string& registry, Errand errand);

}  // namespace image
