#include "image/layout.h"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>
#include <set>

#include "app/digest.h"
#include "base/file.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr const char* kNameKey = "org.opencontainers.image.ref.name";
constexpr const char* kCreated = "1980-01-01T00:00:00Z";  // kTime

std::string with_algorithm(const std::string& digest) { return "sha256:" + digest; }
std::string without_algorithm(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

json descriptor(const char* type, const std::string& digest, std::uint64_t size) {
  return {{"mediaType", type}, {"digest", with_algorithm(digest)}, {"size", size}};
}

std::vector<std::string> as_list(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> list;
  for (const auto& [name, value] : variables) list.push_back(name + "=" + value);
  return list;
}

json config_json(const std::vector<Layer>& layers, const Config& config) {
  json ids = json::array(), history = json::array();
  for (const auto& layer : layers) {
    ids.push_back(with_algorithm(layer.diff_id));
    history.push_back({{"created", kCreated}, {"created_by", "serai: " + layer.name}});
  }
  json run = {{"User", config.user},
              {"Env", as_list(config.env)},
              {"Entrypoint", config.command},
              {"WorkingDir", config.folder},
              {"Labels", config.labels}};
  if (config.port) run["ExposedPorts"] = json::object({{fmt::format("{}/tcp", config.port), json::object()}});
  return {{"created", kCreated},
          {"architecture", architecture()},
          {"os", "linux"},
          {"config", run},
          {"rootfs", {{"type", "layers"}, {"diff_ids", ids}}},
          {"history", history}};
}

base::Result<json> read_json(const fs::path& file) {
  auto text = base::read_file(file);
  if (!text) return std::unexpected(text.error());
  auto value = json::parse(*text, nullptr, false);
  if (value.is_object()) return value;
  return base::fail(base::Kind::internal, "read {}: it is no JSON object", file.string());
}

}  // namespace

std::string architecture() {
  utsname name{};
  ::uname(&name);
  std::string machine = name.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

base::Result<Layout> Layout::open(fs::path folder) {
  Layout layout(std::move(folder));
  if (auto made = base::make_folders(layout.folder_ / "blobs" / "sha256", 0700); !made)
    return std::unexpected(made.error());
  if (!fs::exists(layout.folder_ / "index.json")) {
    auto written = base::write_file_atomically(layout.folder_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    if (written) written = layout.write_index({});
    if (!written) return std::unexpected(written.error());
  }
  return layout;
}

base::Result<std::string> Layout::add_blob(const std::string& content) {
  auto digest = app::sha256_hex(content);
  if (auto written = base::write_file_atomically(blob(digest), content); !written)
    return std::unexpected(written.error());
  return digest;
}

base::Result<Image> Layout::add(const std::string& name, const std::vector<Layer>& layers, const Config& config) {
  auto text = config_json(layers, config).dump(-1, ' ', false, json::error_handler_t::replace);
  auto config_digest = add_blob(text);
  if (!config_digest) return std::unexpected(config_digest.error());
  Image image{.name = name, .digest = {}, .size = 0, .layers = layers};
  json list = json::array();
  for (const auto& layer : layers) {
    list.push_back(descriptor(kLayerType, layer.digest, layer.size));
    image.size += layer.size;
  }
  json manifest = {{"schemaVersion", 2},
                   {"mediaType", kManifestType},
                   {"config", descriptor(kConfigType, *config_digest, text.size())},
                   {"layers", list}};
  auto digest = add_blob(manifest.dump());
  if (!digest) return std::unexpected(digest.error());
  image.digest = *digest;
  auto known = images();
  if (!known) return std::unexpected(known.error());
  (*known)[name] = *digest;
  if (auto written = write_index(*known); !written) return std::unexpected(written.error());
  return image;
}

base::Result<void> Layout::remove(const std::string& name) {
  auto known = images();
  if (!known) return std::unexpected(known.error());
  return known->erase(name) ? write_index(*known) : base::Result<void>{};
}

base::Result<std::map<std::string, std::string>> Layout::images() const {
  auto index = read_json(folder_ / "index.json");
  if (!index) return std::unexpected(index.error());
  std::map<std::string, std::string> names;
  for (const auto& manifest : index->value("manifests", json::array())) {
    auto annotations = manifest.value("annotations", json::object());
    names[annotations.value(kNameKey, "")] = without_algorithm(manifest.value("digest", ""));
  }
  return names;
}

base::Result<void> Layout::write_index(const std::map<std::string, std::string>& images) {
  json manifests = json::array();
  for (const auto& [name, digest] : images) {
    std::error_code error;
    auto size = fs::file_size(blob(digest), error);
    if (error) continue;
    auto manifest = descriptor(kManifestType, digest, size);
    manifest["platform"] = {{"architecture", architecture()}, {"os", "linux"}};
    manifest["annotations"] = {{kNameKey, name}};
    manifests.push_back(std::move(manifest));
  }
  json index = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", manifests}};
  return base::write_file_atomically(folder_ / "index.json", index.dump(1) + "\n");
}

base::Result<void> Layout::collect(const std::vector<std::string>& keep) {
  std::set<std::string> needed(keep.begin(), keep.end());
  auto known = images();
  if (!known) return std::unexpected(known.error());
  for (const auto& [name, digest] : *known) {
    auto blobs = blobs_of(folder_, digest);
    if (!blobs) return std::unexpected(blobs.error());
    needed.insert(blobs->begin(), blobs->end());
  }
  std::error_code error;
  for (fs::directory_iterator at(folder_ / "blobs" / "sha256", error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (!needed.contains(at->path().filename())) fs::remove(at->path(), ignored);
  }
  if (error) return std::unexpected(base::Error::from_errno("list the blobs", error.value()));
  return {};
}

base::Result<std::vector<std::string>> blobs_of(const fs::path& layout, const std::string& manifest) {
  auto content = read_json(layout / "blobs" / "sha256" / manifest);
  if (!content) return std::unexpected(content.error());
  std::vector<std::string> digests = {manifest, without_algorithm((*content)["config"].value("digest", ""))};
  for (const auto& layer : content->value("layers", json::array()))
    digests.push_back(without_algorithm(layer.value("digest", "")));
  return digests;
}

}  // namespace image
