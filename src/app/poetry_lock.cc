#include "app/poetry_lock.h"

#include <algorithm>
#include <map>
#include <optional>

#include "app/interpreter.h"
#include "app/marker_set.h"
#include "app/text.h"
#include "app/toml.h"

namespace app {
namespace {

struct Dependency {
  std::string name;        // normalised
  std::string constraint;  // Poetry's: "^3.0", ">=1,<2", "*"
  std::string marker;
  std::vector<std::string> extras;
  bool optional = false;
};

struct Package {
  Requirement requirement;
  bool in_main_group = false;  // format 2.1
  bool optional = false;
  std::string marker;  // format 2.1
  std::string source_type, source_url;
  std::vector<Dependency> dependencies;
  std::map<std::string, std::vector<std::string>> extras;  // extra → names of the dependencies it adds
};

std::string text_at(const toml::table& table, std::string_view key) { return table[key].value_or(std::string()); }

std::vector<std::string> texts_at(const toml::table& table, std::string_view key) {
  std::vector<std::string> texts;
  if (auto array = table[key].as_array()) {
    for (const auto& item : *array) {
      if (auto text = item.value<std::string>()) texts.push_back(*text);
    }
  }
  return texts;
}

std::unexpected<base::Error> inexact(std::string message) {
  return std::unexpected(
      base::Error(base::Kind::unsupported, "poetry.lock cannot be installed exactly: " + std::move(message),
                  "lock with uv instead (uvx migrate-to-uv, then uv lock), or export with `poetry export`"));
}

// ---- dependencies, as poetry.lock and pyproject.toml write them --------------------------------------------------

std::string both(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a + b;
  return fmt::format("({}) and ({})", a, b);
}

base::Result<Dependency> read_dependency(std::string_view name, const toml::node& node) {
  Dependency dependency{normalize_name(name), "*", {}, {}, false};
  if (auto text = node.value<std::string>()) {
    dependency.constraint = *text;
    return dependency;
  }
  auto table = node.as_table();
  if (!table) return inexact(fmt::format("the dependency on {} is neither a text nor a table", name));
  if (auto version = text_at(*table, "version"); !version.empty()) dependency.constraint = version;
  dependency.marker = text_at(*table, "markers");
  dependency.extras = texts_at(*table, "extras");
  dependency.optional = (*table)["optional"].value_or(false);
  if (auto python = text_at(*table, "python"); !python.empty()) {
    auto wish = PythonWish::parse(python);
    if (!wish) return std::unexpected(wish.error());
    dependency.marker = both(dependency.marker, wish->marker());
  }
  if (auto platform = text_at(*table, "platform"); !platform.empty()) {
    dependency.marker = both(dependency.marker, fmt::format("sys_platform == \"{}\"", platform));
  }
  return dependency;
}

base::Result<std::vector<Dependency>> read_dependencies(const toml::table* table) {
  std::vector<Dependency> found;
  if (!table) return found;
  for (const auto& [key, node] : *table) {
    if (key.str() == "python") continue;
    const auto* several = node.as_array();  // alternatives for different Pythons or platforms
    for (std::size_t i = 0; i < (several ? several->size() : 1); ++i) {
      auto one = read_dependency(key.str(), several ? (*several)[i] : node);
      if (!one) return std::unexpected(one.error());
      found.push_back(std::move(*one));
    }
  }
  return found;
}

// ---- packages ----------------------------------------------------------------------------------------------------

std::vector<std::string> hashes_in(const toml::array* files) {
  std::vector<std::string> hashes;
  if (!files) return hashes;
  for (const auto& file : *files) {
    if (auto table = file.as_table()) hashes.push_back(text_at(*table, "hash"));
  }
  std::ranges::sort(hashes);
  hashes.erase(std::ranges::unique(hashes).begin(), hashes.end());
  return hashes;
}

// `markers` is a text, or a table by group when the groups differ.
std::string main_marker(const toml::table& table) {
  if (auto groups = table["markers"].as_table()) return text_at(*groups, "main");
  return text_at(table, "markers");
}

// "redis (>=4,<5)", "brotli[x] (>=1) ; python_version > '3'": the name.
std::string extra_requirement_name(std::string_view text) {
  return normalize_name(trim(text.substr(0, text.find_first_of("[( ;<>=!~"))));
}

base::Result<Package> read_package(const toml::table& table, const toml::table& lock) {
  Package package;
  auto name = text_at(table, "name");
  package.requirement.name = normalize_name(name);
  package.requirement.version = text_at(table, "version");
  package.requirement.hashes = hashes_in(table["files"].as_array());
  if (package.requirement.hashes.empty())
    package.requirement.hashes = hashes_in(lock["metadata"]["files"][name].as_array());  // format 1.1
  auto groups = texts_at(table, "groups");
  package.in_main_group = std::ranges::find(groups, "main") != groups.end();
  package.optional = table["optional"].value_or(false);
  package.marker = main_marker(table);
  if (auto source = table["source"].as_table()) {
    package.source_type = text_at(*source, "type");
    package.source_url = text_at(*source, "url");
  }
  auto dependencies = read_dependencies(table["dependencies"].as_table());
  if (!dependencies) return std::unexpected(dependencies.error());
  package.dependencies = std::move(*dependencies);
  if (auto extras = table["extras"].as_table()) {
    for (const auto& [extra, list] : *extras) {
      auto& names = package.extras[normalize_name(extra.str())];
      for (const auto& text : texts_at(*extras, extra.str())) names.push_back(extra_requirement_name(text));
    }
  }
  return package;
}

base::Result<void> check_source(Package& package) {
  const auto& type = package.source_type;
  const auto& name = package.requirement.name;
  bool from_pypi = type.empty() || (type == "legacy" && package.source_url.starts_with("https://pypi.org/simple"));
  if (from_pypi) return {};
  if (type == "url") {
    package.requirement.url = package.source_url;
    return {};
  }
  if (type == "legacy") return inexact(fmt::format("{} comes from the private index {}", name, package.source_url));
  return inexact(
      fmt::format("{} comes from a {} source ({}), whose content no hash pins", name, type, package.source_url));
}

base::Result<void> add_to(Requirements& requirements, Package package, std::string marker) {
  if (auto fine = check_source(package); !fine) return fine;
  package.requirement.marker = std::move(marker);
  if (auto fine = check_requirement(package.requirement); !fine) return inexact(fine.error().message());
  requirements.push_back(std::move(package.requirement));
  return {};
}

// ---- format 2.1: the lock says it all ----------------------------------------------------------------------------

base::Result<Requirements> take_main_group(std::vector<Package> packages) {
  Requirements requirements;
  for (auto& package : packages) {
    if (!package.in_main_group || package.optional) continue;
    auto marker = package.marker;
    if (auto added = add_to(requirements, std::move(package), marker); !added) return std::unexpected(added.error());
  }
  return requirements;
}

// ---- formats before 2.1: walk from the project's own dependencies ------------------------------------------------

class Walk {
 public:
  explicit Walk(std::vector<Package> packages) : packages_(std::move(packages)) {}

  base::Result<Requirements> run(const std::vector<Dependency>& roots) {
    for (const auto& root : roots) {
      if (root.optional) continue;
      if (auto done = follow(root, {}); !done) return std::unexpected(done.error());
    }
    while (!pending_.empty()) {
      auto [node, way] = std::move(pending_.back());
      pending_.pop_back();
      if (auto done = expand(node, way); !done) return std::unexpected(done.error());
    }
    return collect();
  }

 private:
  struct Node {
    std::size_t package;
    std::string extra;  // empty: the package itself
    auto operator<=>(const Node&) const = default;
  };

  base::Result<void> follow(const Dependency& dependency, MarkerSet::Way way) {
    auto target = find(dependency);
    if (!target) return std::unexpected(target.error());
    std::string marker;
    if (!remove_extra(dependency.marker, marker))
      return inexact(
          fmt::format("the marker `{}` of {} mixes extras with other conditions", dependency.marker, dependency.name));
    if (!marker.empty()) way.insert(marker);
    if (auto done = reach({*target, ""}, way); !done) return done;
    for (const auto& extra : dependency.extras) {
      if (auto done = reach({*target, normalize_name(extra)}, way); !done) return done;
    }
    return {};
  }

  base::Result<void> reach(const Node& node, const MarkerSet::Way& way) {
    constexpr std::size_t most_ways = 200;  // no real lock comes near; a made-up one must not take for ever
    auto& ways = reached_[node];
    if (!ways.add(way)) return {};
    if (ways.size() > most_ways || ++steps_ > 200'000)
      return inexact(
          fmt::format("too many combinations of markers lead to {}", packages_[node.package].requirement.name));
    pending_.emplace_back(node, way);
    return {};
  }

  base::Result<void> expand(const Node& node, const MarkerSet::Way& way) {
    const auto& package = packages_[node.package];
    if (node.extra.empty()) {
      for (const auto& dependency : package.dependencies) {
        if (dependency.optional || dependency.marker.contains("extra ==")) continue;
        if (auto done = follow(dependency, way); !done) return done;
      }
      return {};
    }
    auto extra = package.extras.find(node.extra);
    if (extra == package.extras.end()) return {};  // installers warn about an extra that is not there, and go on
    for (const auto& name : extra->second) {
      for (const auto& dependency : package.dependencies) {
        if (dependency.name != name) continue;
        if (auto done = follow(dependency, way); !done) return done;
      }
    }
    return {};
  }

  base::Result<std::size_t> find(const Dependency& dependency) const {
    std::vector<std::size_t> named;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      if (packages_[i].requirement.name == dependency.name) named.push_back(i);
    }
    if (named.empty()) return inexact(fmt::format("{} is needed but not locked; run `poetry lock`", dependency.name));
    if (named.size() > 1)
      std::erase_if(named,
                    [&](std::size_t i) { return !fits(dependency.constraint, packages_[i].requirement.version); });
    if (named.size() == 1) return named[0];
    return inexact(fmt::format("more than one locked version of {} could be meant by \"{}\"", dependency.name,
                               dependency.constraint));
  }

  // Poetry writes constraints on packages as those on Python.
  static bool fits(const std::string& constraint, const std::string& version) {
    auto wish = PythonWish::parse(constraint);
    auto exact = PythonWish::parse_version(version);
    return wish && exact && wish->accepts(*exact);
  }

  base::Result<Requirements> collect() const {
    Requirements requirements;
    for (const auto& [node, ways] : reached_) {
      if (!node.extra.empty()) continue;
      if (auto added = add_to(requirements, packages_[node.package], ways.text()); !added)
        return std::unexpected(added.error());
    }
    return requirements;
  }

  std::vector<Package> packages_;
  std::map<Node, MarkerSet> reached_;
  std::vector<std::pair<Node, MarkerSet::Way>> pending_;
  std::size_t steps_ = 0;
};

base::Result<std::vector<Dependency>> project_dependencies(std::string_view pyproject) {
  auto document = parse_toml(pyproject, "pyproject.toml");
  if (!document) return std::unexpected(document.error());
  auto table = (*document)["tool"]["poetry"]["dependencies"].as_table();
  if (!table)
    return inexact(
        "pyproject.toml has no [tool.poetry.dependencies], which this lock format needs; run `poetry lock` with Poetry "
        "2");
  return read_dependencies(table);
}

}  // namespace

base::Result<Requirements> convert_poetry_lock(std::string_view lock, std::string_view pyproject) {
  auto document = parse_toml(lock, "poetry.lock");
  if (!document) return std::unexpected(document.error());
  const auto& table = *document;
  auto format = table["metadata"]["lock-version"].value_or(std::string());
  if (!format.starts_with("1.") && !format.starts_with("2."))
    return inexact(fmt::format("format \"{}\" is unknown", format));
  std::vector<Package> packages;
  if (auto list = table["package"].as_array()) {
    for (const auto& node : *list) {
      if (!node.is_table()) continue;
      auto package = read_package(*node.as_table(), table);
      if (!package) return std::unexpected(package.error());
      packages.push_back(std::move(*package));
    }
  }
  if (format.starts_with("2.") && format != "2.0") return take_main_group(std::move(packages));
  auto roots = project_dependencies(pyproject);
  if (!roots) return std::unexpected(roots.error());
  return Walk(std::move(packages)).run(*roots);
}

}  // namespace app
