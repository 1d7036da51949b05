// environment::Images: the OCI images of apps, layer by layer. What an instance in a container runs on is what its
// image holds; `serai image build` and `export` give the same to others.
#pragma once

#include <functional>
#include <memory>

#include "environment/container/base_system.h"
#include "environment/spec.h"
#include "image/store.h"

namespace environment {

struct ImagesOptions {
  std::filesystem::path folder;  // ROOT/images
  // For tests, which have no minute: a base made otherwise. `key` names it.
  struct Base {
    std::string key;
    std::function<base::Result<void>(const std::filesystem::path& folder)> make;
  };
  std::optional<Base> base = {};
};

class Images {
 public:
  static base::Result<std::unique_ptr<Images>> open(ImagesOptions options);
  Images(ImagesOptions options, std::unique_ptr<image::Store> store)
      : options_(std::move(options)), store_(std::move(store)) {}

  // Base, interpreter (one outside /usr), engine and dependencies, the lowest first. The first one ever takes about a
  // minute (the base); what is there is found in milliseconds.
  base::Result<std::vector<image::Layer>> system_layers(const std::string& app, const Parts& parts);
  // The whole image, with the code on top. The same parts give the same digest.
  base::Result<image::Image> build(const std::string& app, const std::string& name, const Parts& parts,
                                   const image::Config& config);
  // Whether the base is there or could be made; the error says what is missing.
  base::Result<void> can_be_made() const;
  // What `system_layers` would have to make first: "base", "dependencies", …
  std::vector<std::string> missing(const std::string& app, const Parts& parts) const;
  base::Result<void> forget(const std::string& app) { return store_->forget(app); }

  // The layers' folders as an overlay wants them: the topmost first.
  std::vector<std::string> folders(const std::vector<image::Layer>& layers) const;
  const std::filesystem::path& layout() const { return store_->layout().folder(); }
  const std::filesystem::path& folder() const { return options_.folder; }

 private:
  using Recipe = image::Store::Recipe;
  base::Result<Recipe> base_recipe() const;
  base::Result<std::vector<Recipe>> recipes(const std::string& app, const Parts& parts) const;

  ImagesOptions options_;
  std::unique_ptr<image::Store> store_;
};

}  // namespace environment
