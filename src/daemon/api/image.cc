// POST /v1/apps/{app}/image: the OCI image of the live release, made when it is not there yet.
// POST /v1/images/refresh: the base of all images, made anew.
#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"
#include "daemon/deploy/mover.h"
#include "environment/container/images.h"

namespace control_plane::api {
namespace {

json to_json(const image::Image& image) {
  json layers = json::array();
  for (const auto& layer : image.layers)
    layers.push_back({{"name", layer.name}, {"digest", "sha256:" + layer.digest}, {"size", layer.size}});
  return {{"image", image.name}, {"digest", "sha256:" + image.digest}, {"size", image.size}, {"layers", layers}};
}

Result<json> build(Resources& resources, const std::string& app) {
  auto* images = resources.services.images;
  if (!images) return base::fail(base::Kind::unsupported, "make an image: this daemon makes none");
  auto use = resources.deploys.use(app);
  if (!use) return std::unexpected(use.error());
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  auto runnable = load_runnable(resources.services, *placement);
  if (!runnable) return std::unexpected(runnable.error());
  auto config = image_config(*runnable, resources.services.tools);
  if (!config) return std::unexpected(config.error());
  auto name = image_name(app, placement->release);
  auto image = images->build(app, name, parts_of(*runnable, resources.services.tools), *config);
  if (!image) return base::wrap(image.error(), "make the image of " + app);
  auto value = to_json(*image);
  value["app"] = app;
  value["release"] = placement->release;
  value["layout"] = images->layout().string();
  return value;
}

// A base with the packages of today for all images made from now on.
Result<json> refresh(Resources& resources) {
  auto* images = resources.services.images;
  if (!images) return base::fail(base::Kind::unsupported, "make a base: this daemon makes no images");
  auto layer = images->refresh_base();
  if (!layer) return base::wrap(layer.error(), "make the base of images anew");
  return json{{"name", layer->name}, {"digest", "sha256:" + layer->digest}, {"size", layer->size}};
}

}  // namespace

void add_image(Router& router, Resources& resources) {
  router.add("POST", "/v1/images/refresh", [&](Exchange&, const Parameters&) { return refresh(resources); });
  router.add("POST", "/v1/apps/{app}/image",
             [&](Exchange&, const Parameters& at) { return build(resources, at.find("app")->second); });
}

}  // namespace control_plane::api
