#include "image/store.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "app/digest.h"
#include "base/file.h"
#include "base/log.h"

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

struct Known {
  Layer layer;
  std::string key;
};

std::optional<Known> read_known(const fs::path& file) {
  auto text = base::read_file(file);
  auto value = text ? json::parse(*text, nullptr, false) : json();
  if (!value.is_object()) return std::nullopt;
  return Known{.layer = {.name = value.value("name", ""),
                         .digest = value.value("digest", ""),
                         .diff_id = value.value("diff_id", ""),
                         .size = value.value("size", std::uint64_t{0})},
               .key = value.value("key", "")};
}

std::optional<Layer> read_layer(const fs::path& file) {
  auto known = read_known(file);
  return known ? std::optional(std::move(known->layer)) : std::nullopt;
}

// There may be none yet.
std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    files.push_back(at->path());
  return files;
}

base::Result<void> move(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return std::unexpected(base::Error::from_errno("put " + to.string() + " in place", error.value()));
  return {};
}

// What is put in place must be on the disk before anything says that it is whole.
base::Result<void> sync_file_system(const fs::path& folder) {
  auto fd = base::open(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  if (::syncfs(fd->get()) < 0) return base::errno_error("write a layer to the disk");
  return {};
}

// For what is made on the way to a layer. Its name is new each time: what lies there of a process that was killed may
// still be mounted over.
base::Result<fs::path> make_scratch(const fs::path& parent) {
  auto pattern = (parent / "XXXXXX").string();
  if (!::mkdtemp(pattern.data())) return base::errno_error("make a folder in " + parent.string());
  return fs::path(pattern);
}

void warn(const base::Result<void>& done, const char* consequence) {
  if (!done) base::log(base::Level::warning, "image.store", {{"error", done.error().describe()}}, consequence);
}

void remove_scratch(const fs::path& folder) {
  warn(base::remove_tree(folder), "what was made on the way to a layer stays there");
}

}  // namespace

// Marks a layer as being made, once nobody else makes it.
class Store::Making {
 public:
  Making(Store& store, fs::path key) : store_(store), key_(std::move(key)) {
    std::unique_lock lock(store_.mutex_);
    store_.made_.wait(lock, [&] { return store_.making_.insert(key_).second; });
  }
  ~Making() {
    std::lock_guard lock(store_.mutex_);
    store_.making_.erase(key_);
    store_.made_.notify_all();
  }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

 private:
  Store& store_;
  fs::path key_;
};

base::Result<std::unique_ptr<Store>> Store::open(fs::path folder) {
  // The unpacked layers are read by the apps' users, through their mounts only.
  auto made = base::make_folders(folder, 0700);
  if (made) made = base::make_folders(folder / "layers", 0755);
  if (made) made = base::make_folders(folder / "keys", 0700);
  remove_scratch(folder / "scratch");
  if (made) made = base::make_folders(folder / "scratch", 0700);
  if (!made) return std::unexpected(made.error());
  auto layout = Layout::open(folder / "oci");
  if (!layout) return std::unexpected(layout.error());
  auto store = std::make_unique<Store>(std::move(folder), std::move(*layout));
  warn(store->collect(), "layers that nobody has stay there");  // of a process that was killed on the way to their keys
  return store;
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
  Making making(*this, key_file(recipe));
  if (auto known = find(recipe)) return *known;
  auto made = make(recipe);
  if (!made) return base::wrap(made.error(), fmt::format("make the {} layer", recipe.name));
  return made;
}

base::Result<Layer> Store::make(const Recipe& recipe) {
  auto scratch = make_scratch(folder_ / "scratch");
  if (!scratch) return std::unexpected(scratch.error());
  auto layer = make_in(*scratch, recipe);
  remove_scratch(*scratch);
  return layer;
}

// What runs is what the image holds: the unpacked folder comes from the blob.
base::Result<Layer> Store::make_in(const fs::path& scratch, const Recipe& recipe) {
  auto sources = recipe.sources(scratch / "source");
  if (!sources) return std::unexpected(sources.error());
  auto blob = base::open((scratch / "blob").string(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!blob) return std::unexpected(blob.error());
  auto layer = write_layer(recipe.name, *sources, *blob);
  if (!layer) return layer;
  base::Result<void> done;
  if (recipe.unpack) done = base::make_folders(scratch / "layer", 0755);
  if (done && recipe.unpack) done = unpack_layer(scratch / "blob", scratch / "layer");
  if (done) done = sync_file_system(scratch);
  if (done) done = put_in_place(scratch, recipe, *layer);
  if (!done) return std::unexpected(done.error());
  return layer;
}

// The key last: it says that the others are whole.
base::Result<void> Store::put_in_place(const fs::path& scratch, const Recipe& recipe, const Layer& layer) {
  std::lock_guard lock(mutex_);
  auto key = key_file(recipe);
  auto done = base::make_folders(key.parent_path(), 0700);
  if (done) done = move(scratch / "blob", layout_.blob(layer.digest));
  if (done && recipe.unpack && !fs::exists(unpacked(layer))) done = move(scratch / "layer", unpacked(layer));
  if (done) done = base::write_file_atomically(key, to_text(layer, recipe.key), 0600);
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

std::optional<fs::file_time_type> Store::made_at(const Recipe& recipe) const {
  std::error_code error;
  auto time = fs::last_write_time(key_file(recipe), error);
  return error ? std::nullopt : std::optional(time);
}

base::Result<void> Store::retain(const std::string& owner, const std::string& name, const Keeps& keeps) {
  std::lock_guard lock(mutex_);
  bool forgotten = false;
  for (const auto& file : files_in(folder_ / "keys" / owner)) {
    auto known = read_known(file);
    if (!known || known->layer.name != name || keeps(known->layer, known->key)) continue;
    if (auto removed = base::remove_tree(file); !removed) return removed;
    forgotten = true;
  }
  return forgotten ? collect() : base::Result<void>{};
}

base::Result<void> Store::retain_images(const std::string& owner, const std::set<std::string>& names) {
  std::lock_guard lock(mutex_);
  auto forgotten = forget_images(owner, names);
  return forgotten ? collect() : forgotten;
}

base::Result<void> Store::forget_images(const std::string& owner, const std::set<std::string>& but) {
  auto images = layout_.images();
  if (!images) return std::unexpected(images.error());
  for (const auto& [name, digest] : *images) {
    if (!name.starts_with(owner + ":") || but.contains(name)) continue;
    if (auto removed = layout_.remove(name); !removed) return removed;
  }
  return {};
}

base::Result<void> Store::forget(const std::string& owner) {
  std::lock_guard lock(mutex_);
  if (auto removed = base::remove_tree(folder_ / "keys" / owner); !removed) return removed;
  if (auto forgotten = forget_images(owner, {}); !forgotten) return forgotten;
  return collect();
}

// Under the lock. Of what is being made nothing is in place yet.
base::Result<void> Store::collect() {
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
