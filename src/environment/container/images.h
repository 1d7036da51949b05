// environment::Images: the OCI images of apps, layer by layer. What an instance in a container runs on is what its
// image holds; `serai image build` and `export` give the same to others.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <shared_mutex>

#include "environment/container/base_system.h"
#include "environment/spec.h"
#include "image/store.h"

namespace environment {

struct ImagesOptions {
  std::filesystem::path folder;  // ROOT/images
  // For tests, which have no minute: a base made otherwise. `key` names it.
  struct Base {
    std::string key;
    std::function<base::Result<void>(const std::filesystem::path& folder, int cancel_fd)> make;
  };
  std::optional<Base> base = {};
};

class Images {
 public:
  static base::Result<std::unique_ptr<Images>> open(ImagesOptions options);
  Images(ImagesOptions options, std::unique_ptr<image::Store> store, base::Fd cancel)
      : options_(std::move(options)), store_(std::move(store)), cancel_(std::move(cancel)) {}

  // Base, interpreter (one outside /usr), engine and dependencies, the lowest first. The first one ever takes about a
  // minute (the base); what is there is found in milliseconds.
  base::Result<std::vector<image::Layer>> system_layers(const std::string& app, const Parts& parts);
  // The whole image, with the code on top. The same parts give the same digest.
  base::Result<image::Image> build(const std::string& app, const std::string& name, const Parts& parts,
                                   const image::Config& config);
  // A reference to an image in a registry with the digest that it has now, so that all of a release's instances have
  // the same base.
  base::Result<std::string> pin(const std::string& reference) const;
  // Whether the base is there or could be made; the error says what is missing.
  base::Result<void> can_be_made() const;
  // Makes the base anew, from what the package sources have now: instances that are started from then on have it. The
  // ones before stay as long as somebody uses them. On failure nothing changes.
  base::Result<image::Layer> refresh_base();
  // When the base was made that new instances get; none: not yet.
  std::optional<std::filesystem::file_time_type> base_made_at() const;
  // Forgets the bases that are not the newest and that nobody uses.
  base::Result<void> collect_bases();
  // Who uses layers tells which: the names of their folders. While `hold` is held no base is collected: from choosing
  // layers until it is known that they are used.
  using InUse = std::function<std::set<std::string>()>;
  void add_user(InUse in_use);
  std::shared_lock<std::shared_mutex> hold() { return std::shared_lock(collecting_); }
  // What `system_layers` would have to make first: "base", "dependencies", …
  std::vector<std::string> missing(const std::string& app, const Parts& parts) const;
  base::Result<void> forget(const std::string& app) { return store_->forget(app); }
  // Forgets the app's layers that none of these parts has, and its images but those of these names.
  base::Result<void> retain(const std::string& app, const std::vector<Parts>& parts,
                            const std::set<std::string>& names);
  // Gives up the making of a base, now and from now on: the daemon is stopping.
  void cancel();

  // The layers' folders as an overlay wants them: the topmost first.
  std::vector<std::string> folders(const std::vector<image::Layer>& layers) const;
  const std::filesystem::path& layout() const { return store_->layout().folder(); }
  const std::filesystem::path& folder() const { return options_.folder; }

 private:
  using Recipe = image::Store::Recipe;
  base::Result<Recipe> base_recipe() const { return base_recipe(generation()); }
  base::Result<Recipe> base_recipe(const std::string& generation) const;
  base::Result<Recipe> foreign_recipe(const std::string& app, const Parts& parts) const;
  // Of the base: when it was asked for; empty before the first refresh.
  std::string generation() const;
  std::filesystem::path generation_file() const { return options_.folder / "base-generation"; }
  base::Result<std::vector<Recipe>> recipes(const std::string& app, const Parts& parts) const;

  ImagesOptions options_;
  std::unique_ptr<image::Store> store_;
  std::shared_mutex collecting_;
  std::vector<InUse> users_;  // under its lock
  base::Fd cancel_;           // an eventfd: readable once nothing shall be begun any more
};

}  // namespace environment
