#include "environment/container/images.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "app/image_reference.h"
#include "base/child.h"
#include "base/file.h"
#include "environment/container/foreign_base.h"
#include "image/skopeo.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using image::Source;

using Recipe = image::Store::Recipe;
using Sources = base::Result<std::vector<Source>>;

// Changes when something is put into the folder or replaced in it.
std::string stamp(const fs::path& path) {
  struct stat facts;
  if (::lstat(path.c_str(), &facts) < 0) return "missing";
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

base::Result<void> remove_bytecode(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_directory() && !at->is_symlink() && is_bytecode(at->path())) found.push_back(at->path());
  if (error) return std::unexpected(base::Error::from_errno("look for bytecode", error.value()));
  for (const auto& one : found)
    if (auto removed = base::remove_tree(one); !removed) return removed;
  return {};
}

// The bytecode beside an interpreter's modules names their times and is whatever was imported so far: it is made anew,
// in a copy, so that the same interpreter gives the same layer.
base::Result<void> copy_interpreter(const fs::path& prefix, const fs::path& copy) {
  constexpr std::chrono::minutes kPatience{5};
  auto made = base::make_folders(copy);
  if (!made) return made;
  auto copied =
      base::run({.argv = {"/bin/cp", "-a", "--reflink=auto", prefix.string() + "/.", copy.string()}}, kPatience);
  if (!copied) return std::unexpected(copied.error());
  if (!base::succeeded(copied->status))
    return base::fail(base::Kind::unavailable, "copy the interpreter {}: {}", prefix.string(), copied->err);
  if (auto removed = remove_bytecode(copy); !removed) return removed;
  base::Command compile{.argv = {prefix / "bin" / "python3", "-s", "-m", "compileall", "-q", "-q", "-f", "-j", "1",
                                 "-s", copy, "-p", prefix, "--invalidation-mode", "unchecked-hash", copy / "lib"},
                        .env = {{"PYTHONHASHSEED=0"}},
                        .cwd = "/"};
  auto compiled = base::run(compile, kPatience);  // modules for another Python do not compile: they stay as they are
  if (!compiled) return std::unexpected(compiled.error());
  return {};
}

Recipe interpreter_recipe(const fs::path& prefix) {
  return {.owner = image::kHostOwner,
          .name = "interpreter",
          .key = "2 " + prefix.string() + " " + stamp(prefix / "bin") + " " + stamp(prefix / "lib"),
          .sources = [prefix](const fs::path& scratch) -> Sources {
            if (auto copied = copy_interpreter(prefix, scratch); !copied) return std::unexpected(copied.error());
            return std::vector{
                Source{.from = scratch, .to = prefix.relative_path(), .leave_out = stays_out_of_interpreter}};
          }};
}

// UTC, to the second.
std::string now_in_words() {
  auto now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
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
          .key = venv.string() + " " + stamp(venv.parent_path()),  // root's folder, new with each build
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
  base::Fd cancel(::eventfd(0, EFD_CLOEXEC));
  if (!cancel.is_open()) return base::errno_error("create an eventfd");
  return std::make_unique<Images>(std::move(options), std::move(*store), std::move(cancel));
}

void Images::cancel() { (void)::eventfd_write(cancel_.get(), 1); }

std::string Images::generation() const { return base::read_file(generation_file()).value_or(""); }

base::Result<Recipe> Images::base_recipe(const std::string& generation) const {
  ImagesOptions::Base base;
  if (options_.base) {
    base = *options_.base;
  } else {
    auto host = BaseRecipe::of_host();
    if (!host) return std::unexpected(host.error());
    base = {.key = host->key(), .make = [host = *host](const fs::path& folder, int cancel_fd) {
              return make_base(host, folder, cancel_fd);
            }};
  }
  return Recipe{
      .owner = image::kHostOwner,
      .name = "base",
      .key = base.key + (generation.empty() ? "" : " of " + generation),
      .sources = [make = base.make, cancel_fd = cancel_.get()](const fs::path& scratch) -> Sources {
        auto made = base::make_folders(scratch);
        if (made) made = make(scratch, cancel_fd);
        if (!made) return std::unexpected(made.error());
        return std::vector{Source{.from = scratch, .to = "", .keep_modes = true, .leave_out = stays_out_of_base}};
      }};
}

// It goes with the app's releases. What it needs of ours is ours at the time when it is made.
base::Result<Recipe> Images::foreign_recipe(const std::string& app, const Parts& parts) const {
  auto own = base_recipe();
  if (!own) return own;
  return Recipe{.owner = app,
                .name = "base",
                .key = foreign_base_key(parts),
                .sources = [this, own = *own, parts](const fs::path& scratch) -> Sources {
                  auto layer = store_->layer(own);
                  if (!layer) return std::unexpected(layer.error());
                  return foreign_base(parts, store_->unpacked(*layer), scratch, cancel_.get());
                }};
}

base::Result<std::vector<Recipe>> Images::recipes(const std::string& app, const Parts& parts) const {
  std::vector<Recipe> recipes;
  auto base = parts.base.empty() ? base_recipe() : foreign_recipe(app, parts);
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
    if (layers.size() > 1 || !parts.base.empty()) continue;
    if (auto fits = check_fit(parts, store_->unpacked(layers.front())); !fits) return std::unexpected(fits.error());
  }
  return layers;
}

base::Result<std::string> Images::pin(const std::string& text) const {
  auto reference = app::ImageReference::parse(text);
  if (!reference) return std::unexpected(reference.error());
  auto digest = image::resolve_image(*reference, cancel_.get());
  if (!digest) return std::unexpected(digest.error());
  reference->digest = *digest;
  return reference->to_string();
}

base::Result<void> Images::can_be_made() const {
  auto base = base_recipe();
  if (!base) return std::unexpected(base.error());
  if (options_.base || store_->find(*base)) return {};
  return can_make_base();
}

base::Result<image::Layer> Images::refresh_base() {
  auto generation = now_in_words();
  auto recipe = base_recipe(generation);
  if (!recipe) return std::unexpected(recipe.error());
  auto layer = store_->layer(*recipe);
  if (!layer) return layer;
  auto done = check_host(store_->unpacked(*layer));
  if (done) done = base::write_file_atomically(generation_file(), generation, 0600);
  if (done) {
    (void)collect_bases();  // else the next daemon does
    return layer;
  }
  (void)store_->retain(image::kHostOwner, "base",
                       [&](const image::Layer&, const std::string& key) { return key != recipe->key; });
  return std::unexpected(done.error());
}

std::optional<fs::file_time_type> Images::base_made_at() const {
  auto recipe = base_recipe();
  return recipe ? store_->made_at(*recipe) : std::nullopt;
}

void Images::add_user(InUse in_use) {
  std::lock_guard lock(collecting_);
  users_.push_back(std::move(in_use));
}

base::Result<void> Images::collect_bases() {
  std::lock_guard lock(collecting_);
  auto newest = base_recipe();
  if (!newest) return std::unexpected(newest.error());
  std::set<std::string> in_use;
  for (const auto& user : users_) in_use.merge(user());
  return store_->retain(image::kHostOwner, "base", [&](const image::Layer& layer, const std::string& key) {
    return key == newest->key || in_use.contains(store_->unpacked(layer).filename());
  });
}

base::Result<void> Images::retain(const std::string& app, const std::vector<Parts>& parts,
                                  const std::set<std::string>& names) {
  std::set<std::string> keys;
  for (const auto& one : parts) {
    keys.insert(app_recipe(app, one.code).key);
    keys.insert(dependencies_recipe(app, one.venv).key);
    if (!one.base.empty()) keys.insert(foreign_base_key(one));
  }
  auto keeps = [&](const image::Layer&, const std::string& key) { return keys.contains(key); };
  auto done = store_->retain_images(app, names);
  for (const char* layer : {"base", "dependencies", "app"})
    if (done) done = store_->retain(app, layer, keeps);
  return done;
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
