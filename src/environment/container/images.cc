#include "environment/container/images.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using image::Source;

using Recipe = image::Store::Recipe;
using Sources = base::Result<std::vector<Source>>;

// Changes when something is put into the folder or replaced in it.
std::string stamp(const fs::path& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) < 0) return "missing";
  return fmt::format("{}.{}", facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

// The engine is replaced as a whole by an upgrade, file by file by a developer's build.
std::string stamp_of_tree(const fs::path& folder) {
  std::vector<std::string> stamps;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file() && at->path().extension() != ".pyc")
      stamps.push_back(at->path().string() + " " + stamp(at->path()));
  std::ranges::sort(stamps);
  std::string text;
  for (const auto& one : stamps) text += one + "\n";
  return text;
}

bool is_bytecode(const std::string& path) { return fs::path(path).filename() == "__pycache__"; }

// What no app runs: CPython's own tests, and what is needed to link against it.
bool stays_out_of_interpreter(const std::string& path) {
  auto parts = fs::path(path);
  auto depth = std::distance(parts.begin(), parts.end());
  auto name = parts.filename().string();
  return path == "include" || path == "share" || parts.extension() == ".a" ||
         (depth == 3 && path.starts_with("lib/python") && (name == "test" || name.starts_with("config-")));
}

Recipe interpreter_recipe(const fs::path& prefix) {
  return {
      .owner = image::kHostOwner,
      .name = "interpreter",
      .key = prefix.string() + " " + stamp(prefix / "bin") + " " + stamp(prefix / "lib"),
      .sources = [prefix](const fs::path&) -> Sources {
        return std::vector{Source{
            .from = prefix, .to = prefix.relative_path(), .keep_times = true, .leave_out = stays_out_of_interpreter}};
      }};
}

Recipe engine_recipe(const fs::path& engine) {
  return {.owner = image::kHostOwner,
          .name = "engine",
          .key = stamp_of_tree(engine),
          .sources = [engine](const fs::path&) -> Sources {
            return std::vector{Source{.from = fs::canonical(engine), .to = "serai/engine", .leave_out = is_bytecode}};
          }};
}

Recipe dependencies_recipe(const std::string& app, const fs::path& venv) {
  return {.owner = app,
          .name = "dependencies",
          .key = venv.string() + " " + stamp(venv / "pyvenv.cfg"),
          .sources = [venv](const fs::path&) -> Sources { return std::vector{Source{.from = venv, .to = "venv"}}; }};
}

Recipe app_recipe(const std::string& app, const fs::path& code) {
  return {.owner = app,
          .name = "app",
          .key = code.string(),
          .sources = [code](const fs::path&) -> Sources {
            return std::vector{Source{.from = code, .to = "app", .leave_out = is_bytecode}};
          },
          .unpack = false};
}

}  // namespace

base::Result<std::unique_ptr<Images>> Images::open(ImagesOptions options) {
  auto store = image::Store::open(options.folder);
  if (!store) return std::unexpected(store.error());
  return std::make_unique<Images>(std::move(options), std::move(*store));
}

base::Result<Recipe> Images::base_recipe() const {
  ImagesOptions::Base base;
  if (options_.base) {
    base = *options_.base;
  } else {
    auto host = BaseRecipe::of_host();
    if (!host) return std::unexpected(host.error());
    base = {.key = host->key(), .make = [host = *host](const fs::path& folder) { return make_base(host, folder); }};
  }
  return Recipe{
      .owner = image::kHostOwner,
      .name = "base",
      .key = base.key,
      .sources = [make = base.make](const fs::path& scratch) -> Sources {
        auto made = base::make_folders(scratch);
        if (made) made = make(scratch);
        if (!made) return std::unexpected(made.error());
        return std::vector{Source{.from = scratch, .to = "", .keep_modes = true, .leave_out = stays_out_of_base}};
      }};
}

base::Result<std::vector<Recipe>> Images::recipes(const std::string& app, const Parts& parts) const {
  std::vector<Recipe> recipes;
  auto base = base_recipe();
  if (!base) return std::unexpected(base.error());
  recipes.push_back(std::move(*base));
  for (const auto& prefix : parts.interpreters) {
    if (prefix.string().starts_with("/usr/"))
      return base::fail(base::Kind::unsupported,
                        "put the interpreter in {} into a container: only Debian's own below /usr and those outside it "
                        "can be",
                        prefix.string());
    recipes.push_back(interpreter_recipe(prefix));
  }
  if (!parts.engine.empty()) recipes.push_back(engine_recipe(parts.engine));
  if (!parts.venv.empty()) recipes.push_back(dependencies_recipe(app, parts.venv));
  return recipes;
}

base::Result<std::vector<image::Layer>> Images::system_layers(const std::string& app, const Parts& parts) {
  auto wanted = recipes(app, parts);
  if (!wanted) return std::unexpected(wanted.error());
  std::vector<image::Layer> layers;
  for (const auto& recipe : *wanted) {
    auto layer = store_->layer(recipe);
    if (!layer) return std::unexpected(layer.error());
    layers.push_back(std::move(*layer));
    if (layers.size() > 1) continue;
    if (auto fits = check_fit(parts, store_->unpacked(layers.front())); !fits) return std::unexpected(fits.error());
  }
  return layers;
}

base::Result<void> Images::can_be_made() const {
  auto base = base_recipe();
  return base ? base::Result<void>{} : std::unexpected(base.error());
}

std::vector<std::string> Images::missing(const std::string& app, const Parts& parts) const {
  std::vector<std::string> names;
  auto wanted = recipes(app, parts);
  if (!wanted) return names;
  for (const auto& recipe : *wanted)
    if (!store_->find(recipe)) names.push_back(recipe.name);
  return names;
}

base::Result<image::Image> Images::build(const std::string& app, const std::string& name, const Parts& parts,
                                         const image::Config& config) {
  auto layers = system_layers(app, parts);
  if (!layers) return std::unexpected(layers.error());
  auto code = store_->layer(app_recipe(app, parts.code));
  if (!code) return std::unexpected(code.error());
  layers->push_back(std::move(*code));
  return store_->add_image(name, *layers, config);
}

std::vector<std::string> Images::folders(const std::vector<image::Layer>& layers) const {
  std::vector<std::string> folders;
  for (const auto& layer : layers) folders.insert(folders.begin(), store_->unpacked(layer).string());
  return folders;
}

}  // namespace environment
