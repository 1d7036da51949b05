#include "app/pipfile_lock.h"

#include <map>
#include <nlohmann/json.hpp>

#include "app/text.h"

namespace app {
namespace {

using nlohmann::json;

std::unexpected<base::Error> inexact(std::string message) {
  return std::unexpected(base::Error(base::Kind::unsupported,
                                     "Pipfile.lock cannot be installed exactly: " + std::move(message),
                                     "lock with uv instead (uvx migrate-to-uv, then uv lock), or write requirements "
                                     "with `pipenv requirements --hash`"));
}

std::string text_at(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_at(const json& object, const char* key) {
  std::vector<std::string> texts;
  auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return texts;
  for (const auto& item : *found) {
    if (item.is_string()) texts.push_back(item);
  }
  return texts;
}

// Package indexes by name; "" is the first, for packages that name none.
std::map<std::string, std::string> read_sources(const json& lock) {
  std::map<std::string, std::string> sources;
  auto meta = lock.find("_meta");
  if (meta == lock.end() || !meta->is_object() || !meta->contains("sources") || !(*meta)["sources"].is_array())
    return sources;
  for (const auto& source : (*meta)["sources"]) {
    if (!source.is_object()) continue;
    sources.emplace("", text_at(source, "url"));
    sources.emplace(text_at(source, "name"), text_at(source, "url"));
  }
  return sources;
}

base::Result<Requirement> read_entry(const std::string& name, const json& entry,
                                     const std::map<std::string, std::string>& sources) {
  if (!entry.is_object()) return inexact(fmt::format("{} is not an object", name));
  for (auto kind : {"git", "hg", "svn", "bzr", "path", "file", "editable"}) {
    if (entry.contains(kind))
      return inexact(fmt::format("{} comes from a {} source, whose content no hash pins", name, kind));
  }
  auto source = sources.find(text_at(entry, "index"));
  if (source != sources.end() && !source->second.starts_with("https://pypi.org/"))
    return inexact(fmt::format("{} comes from the private index {}", name, source->second));
  auto version = text_at(entry, "version");
  if (!version.starts_with("==")) return inexact(fmt::format("{} has no exact version (\"{}\")", name, version));
  Requirement requirement;
  requirement.name = normalize_name(name);
  requirement.version = trim(std::string_view(version).substr(version.starts_with("===") ? 3 : 2));
  requirement.extras = texts_at(entry, "extras");
  requirement.hashes = texts_at(entry, "hashes");
  requirement.marker = text_at(entry, "markers");
  if (auto fine = check_requirement(requirement); !fine) return inexact(fine.error().message());
  return requirement;
}

}  // namespace

base::Result<Requirements> convert_pipfile_lock(std::string_view text) {
  auto lock = json::parse(text, nullptr, false);
  if (!lock.is_object()) return base::invalid("Pipfile.lock is not valid JSON");
  auto section = lock.find("default");
  if (section == lock.end() || !section->is_object()) return base::invalid("Pipfile.lock has no section \"default\"");
  auto sources = read_sources(lock);
  Requirements requirements;
  for (const auto& [name, entry] : section->items()) {
    auto requirement = read_entry(name, entry, sources);
    if (!requirement) return std::unexpected(requirement.error());
    requirements.push_back(std::move(*requirement));
  }
  return requirements;
}

}  // namespace app
