// image::Store: ROOT/images, where layers are packed once and unpacked once, whoever uses them.
//
//   oci/           an OCI image layout with all blobs and images (layout.h)
//   layers/<diff>  unpacked layers, named by the first 32 digits of their diff id; read-only by agreement
//   keys/<owner>/  what was made of which inputs; an owner is an app, or "_host" for what is everybody's
//
// One process; thread-safe. A layer is made by one thread while others that need the same one wait; other layers are
// made meanwhile.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "image/layout.h"

namespace image {

constexpr const char* kHostOwner = "_host";  // no app can have this name

class Store {
 public:
  static base::Result<std::unique_ptr<Store>> open(std::filesystem::path folder);
  Store(std::filesystem::path folder, Layout layout) : folder_(std::move(folder)), layout_(std::move(layout)) {}

  // What gives a layer its content. Two with the same owner, name and key have the same.
  struct Recipe {
    std::string owner, name;
    std::string key;
    // Called when the layer is not there yet. What it puts into the scratch folder, which is not there at first, is
    // removed once the layer is made.
    std::function<base::Result<std::vector<Source>>(const std::filesystem::path& scratch)> sources;
    bool unpack = true;  // else it is packed only
  };
  // The layer, packed and (as the recipe wants it) unpacked.
  base::Result<Layer> layer(const Recipe& recipe);
  // The same without making it.
  std::optional<Layer> find(const Recipe& recipe) const;
  std::filesystem::path unpacked(const Layer& layer) const;

  base::Result<Image> add_image(const std::string& name, const std::vector<Layer>& layers, const Config& config);
  // Forgets the owner's layers of this name but those that `keeps` wants, and removes what nobody else has.
  using Keeps = std::function<bool(const Layer& layer, const std::string& key)>;
  base::Result<void> retain(const std::string& owner, const std::string& name, const Keeps& keeps);
  // Forgets the images whose names begin with "OWNER:", but these.
  base::Result<void> retain_images(const std::string& owner, const std::set<std::string>& names);
  // When a layer was made.
  std::optional<std::filesystem::file_time_type> made_at(const Recipe& recipe) const;
  // Forgets the owner's layers, and the images whose names begin with "OWNER:", and removes what nobody else has.
  base::Result<void> forget(const std::string& owner);

  const Layout& layout() const { return layout_; }

 private:
  class Making;  // of a layer, by one thread

  std::filesystem::path key_file(const Recipe& recipe) const;
  base::Result<Layer> make(const Recipe& recipe);
  base::Result<Layer> make_in(const std::filesystem::path& scratch, const Recipe& recipe);
  base::Result<void> put_in_place(const std::filesystem::path& scratch, const Recipe& recipe, const Layer& layer);
  base::Result<std::vector<Layer>> known_layers() const;
  base::Result<void> forget_images(const std::string& owner, const std::set<std::string>& but);
  base::Result<void> collect();

  std::filesystem::path folder_;
  Layout layout_;
  mutable std::mutex mutex_;  // of what is in place: held for renames and lists, never while something is packed
  std::set<std::filesystem::path> making_;  // key files
  std::condition_variable made_;
};

}  // namespace image
