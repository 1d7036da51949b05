#include "image/store.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "app/digest.h"
#include "base/file.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string to_text(const Layer& layer, const std::string& key) {
  return json{{"name", layer.name},
              {"digest", layer.digest},
              {"diff_id", layer.diff_id},
              {"size", layer.size},
              {"key", key}}
             .dump(1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

std::optional<Layer> read_layer(const fs::path& file) {
  auto text = base::read_file(file);
  auto value = text ? json::parse(*text, nullptr, false) : json();
  if (!value.is_object()) return std::nullopt;
  return Layer{.name = value.value("name", ""),
               .digest = value.value("digest", ""),
               .diff_id = value.value("diff_id", ""),
               .size = value.value("size", std::uint64_t{0})};
}

base::Result<void> put_in_place(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return std::unexpected(base::Error::from_errno("put " + to.string() + " in place", error.value()));
  return {};
}

}  // namespace

base::Result<std::unique_ptr<Store>> Store::open(fs::path folder) {
  // The unpacked layers are read by the apps' users, through their mounts only.
  auto made = base::make_folders(folder, 0700);
  if (made) made = base::make_folders(folder / "layers", 0755);
  if (made) made = base::make_folders(folder / "keys", 0700);
  if (made) made = base::remove_tree(folder / "scratch");
  if (made) made = base::make_folders(folder / "scratch", 0700);
  if (!made) return std::unexpected(made.error());
  auto layout = Layout::open(folder / "oci");
  if (!layout) return std::unexpected(layout.error());
  return std::make_unique<Store>(std::move(folder), std::move(*layout));
}

fs::path Store::key_file(const Recipe& recipe) const {
  return folder_ / "keys" / recipe.owner / (recipe.name + "-" + app::sha256_hex(recipe.key).substr(0, 32) + ".json");
}

fs::path Store::unpacked(const Layer& layer) const { return folder_ / "layers" / layer.diff_id.substr(0, 32); }

std::optional<Layer> Store::find(const Recipe& recipe) const {
  auto layer = read_layer(key_file(recipe));
  if (!layer || !fs::exists(layout_.blob(layer->digest))) return std::nullopt;
  if (recipe.unpack && !fs::exists(unpacked(*layer))) return std::nullopt;
  return layer;
}

base::Result<Layer> Store::layer(const Recipe& recipe) {
  if (auto known = find(recipe)) return *known;
  std::lock_guard lock(mutex_);
  if (auto known = find(recipe)) return *known;
  auto made = make(recipe);
  if (!made) return base::wrap(made.error(), fmt::format("make the {} layer", recipe.name));
  return made;
}

base::Result<Layer> Store::pack(const Recipe& recipe, const fs::path& file) {
  auto sources = recipe.sources(scratch() / "source");
  if (!sources) return std::unexpected(sources.error());
  auto blob = base::open(file.string(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (!blob) return std::unexpected(blob.error());
  return write_layer(recipe.name, *sources, *blob);
}

base::Result<Layer> Store::make(const Recipe& recipe) {
  auto file = scratch() / "blob";
  auto layer = pack(recipe, file);
  (void)base::remove_tree(scratch() / "source");
  if (!layer) return layer;
  auto done = put_in_place(file, layout_.blob(layer->digest));
  if (done && recipe.unpack) done = unpack(*layer);
  if (done) done = base::make_folders(key_file(recipe).parent_path(), 0700);
  if (done) done = base::write_file_atomically(key_file(recipe), to_text(*layer, recipe.key), 0600);
  if (!done) return std::unexpected(done.error());
  return layer;
}

// What runs is what the image holds: the unpacked folder comes from the blob.
base::Result<void> Store::unpack(const Layer& layer) {
  auto folder = unpacked(layer);
  if (fs::exists(folder)) return {};
  auto partial = scratch() / folder.filename();
  auto done = base::remove_tree(partial);
  if (done) done = base::make_folders(partial, 0755);
  if (done) done = unpack_layer(layout_.blob(layer.digest), partial);
  if (done) done = put_in_place(partial, folder);
  return done;
}

base::Result<Image> Store::add_image(const std::string& name, const std::vector<Layer>& layers, const Config& config) {
  std::lock_guard lock(mutex_);
  return layout_.add(name, layers, config);
}

base::Result<std::vector<Layer>> Store::known_layers() const {
  std::vector<Layer> layers;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder_ / "keys", error), end; !error && at != end; at.increment(error))
    if (auto layer = read_layer(at->path())) layers.push_back(std::move(*layer));
  if (error) return std::unexpected(base::Error::from_errno("list the layers", error.value()));
  return layers;
}

base::Result<void> Store::forget(const std::string& owner) {
  std::lock_guard lock(mutex_);
  if (auto removed = base::remove_tree(folder_ / "keys" / owner); !removed) return removed;
  auto images = layout_.images();
  if (!images) return std::unexpected(images.error());
  for (const auto& [name, digest] : *images) {
    if (!name.starts_with(owner + ":")) continue;
    if (auto removed = layout_.remove(name); !removed) return removed;
  }
  auto known = known_layers();
  if (!known) return std::unexpected(known.error());
  std::vector<std::string> blobs;
  std::set<fs::path> folders;
  for (const auto& layer : *known) {
    blobs.push_back(layer.digest);
    folders.insert(unpacked(layer));
  }
  std::error_code error;
  for (fs::directory_iterator at(folder_ / "layers", error), end; !error && at != end; at.increment(error)) {
    if (folders.contains(at->path())) continue;
    if (auto removed = base::remove_tree(at->path()); !removed) return removed;
  }
  return layout_.collect(blobs);
}

}  // namespace image
