#include "image/foreign_manifest.h"

#include <nlohmann/json.hpp>

#include "image/layout.h"

namespace image {
namespace {

using base::Kind;
using nlohmann::json;

constexpr std::size_t kMostLayers = 512;  // overlayfs takes 500

// Of what is wanted: {} when it is something else.
const json& member(const json& object, const char* name) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

// "sha256:" and 64 digits: it becomes a file's name.
base::Result<std::string> digest_of(const json& descriptor) {
  constexpr std::string_view kAlgorithm = "sha256:";
  auto text = text_of(member(descriptor, "digest"));
  auto hex = text.starts_with(kAlgorithm) ? text.substr(kAlgorithm.size()) : "";
  if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != hex.npos)
    return base::invalid("a descriptor's digest is no sha256");
  return hex;
}

}  // namespace

base::Result<std::string> parse_index(std::string_view text) {
  auto index = json::parse(text, nullptr, false);
  const auto& manifests = member(index, "manifests");
  if (!manifests.is_array() || manifests.size() != 1) return base::invalid("its index.json does not name one image");
  return digest_of(manifests[0]);
}

base::Result<ForeignManifest> parse_manifest(std::string_view text) {
  auto value = json::parse(text, nullptr, false);
  const auto& layers = member(value, "layers");
  if (!layers.is_array() || layers.size() > kMostLayers) return base::invalid("its manifest has no list of layers");
  ForeignManifest manifest;
  auto config = digest_of(member(value, "config"));
  if (!config) return std::unexpected(config.error());
  manifest.config = std::move(*config);
  for (const auto& layer : layers) {
    auto digest = digest_of(layer);
    if (!digest) return std::unexpected(digest.error());
    manifest.layers.push_back(std::move(*digest));
  }
  return manifest;
}

base::Result<void> check_platform(std::string_view config) {
  auto value = json::parse(config, nullptr, false);
  auto system = text_of(member(value, "os")), machine = text_of(member(value, "architecture"));
  if (system == "linux" && machine == architecture()) return {};
  return std::unexpected(
      base::Error(Kind::unsupported,
                  fmt::format("it is for {}/{}, and this machine is linux/{}", system.empty() ? "?" : system,
                              machine.empty() ? "?" : machine, architecture()),
                  "name an image for this machine"));
}

}  // namespace image
