#include "app/lock.h"

#include <algorithm>
#include <array>
#include <set>

#include "app/digest.h"
#include "app/pipfile_lock.h"
#include "app/poetry_lock.h"
#include "app/text.h"
#include "app/toml.h"

namespace app {
namespace {

constexpr std::size_t largest_lock = 32 << 20;

std::string text_at(const toml::table& table, std::string_view key) { return table[key].value_or(std::string()); }

// Names of [[package]] or [[packages]].
std::vector<std::string> names_in(const toml::table& document, std::string_view list) {
  std::vector<std::string> names;
  if (auto packages = document[list].as_array()) {
    for (const auto& package : *packages) {
      if (auto table = package.as_table()) names.push_back(normalize_name(text_at(*table, "name")));
    }
  }
  return names;
}

std::vector<std::string> names_in(const Requirements& requirements) {
  std::vector<std::string> names;
  for (const auto& requirement : requirements) names.push_back(requirement.name);
  return names;
}

// Whether uv.lock installs packages from folders of the project beside the project itself.
bool has_local_packages(const toml::table& document) {
  auto packages = document["package"].as_array();
  return packages && std::ranges::any_of(*packages, [](const toml::node& package) {
           if (!package.is_table()) return false;
           auto source = (*package.as_table())["source"];
           auto editable = source["editable"].value_or(std::string("."));
           return source["directory"].is_string() || editable != ".";
         });
}

// "Flask[async]>=3 ; python_version > '3.8'": the name.
std::string requirement_name(std::string_view text) {
  text = trim(text);
  auto end = std::min(text.find_first_of(" \t[<>=!~;@("), text.size());
  return normalize_name(text.substr(0, end));
}

// ---- pyproject.toml ----------------------------------------------------------------------------------------------

struct Project {
  std::string text;  // empty: no pyproject.toml
  toml::table table;
  bool has_metadata() const { return table["project"].is_table(); }
  bool has_backend() const { return table["build-system"].is_table(); }
};

base::Result<Project> read_project(const Folder& folder) {
  Project project;
  auto text = folder.find("pyproject.toml");
  if (!text) return project;
  auto table = parse_toml(*text, "pyproject.toml");
  if (!table) return std::unexpected(table.error());
  project.text = std::move(*text);
  project.table = std::move(*table);
  return project;
}

bool has_package_folder(const Folder& folder, const Project& project) {
  auto name =
      text_at(project.table["project"].as_table() ? *project.table["project"].as_table() : toml::table(), "name");
  if (name.empty()) name = project.table["tool"]["poetry"]["name"].value_or(std::string());
  auto module = replace_all(normalize_name(name), "-", "_");
  return folder.has_folder("src") ||
         (!module.empty() && (folder.has_folder(module) || folder.has_file(module + ".py")));
}

// Whether the folder's own project must be installed beside its dependencies: for its console scripts, entry points
// and a src layout. Poetry's `package-mode = false` and uv's `package = false` say no.
bool installs_project(const Folder& folder, const Project& project) {
  if (!project.has_backend()) return false;
  auto tool = project.table["tool"];
  if (!tool["poetry"]["package-mode"].value_or(true) || !tool["uv"]["package"].value_or(true)) return false;
  return has_package_folder(folder, project);
}

void install_project(Lock& lock, const Folder& folder, const Project& project, Digest& digest) {
  if (!installs_project(folder, project)) return;
  lock.project = Lock::Project::editable;
  digest.add_field("project").add_field(project.text);
}

// ---- one function per kind ---------------------------------------------------------------------------------------

base::Result<Lock> read_uv(const Folder& folder, const Project& project, Digest& digest) {
  if (project.text.empty()) {
    return std::unexpected(base::Error(base::Kind::invalid,
                                       "uv.lock is here, but pyproject.toml, which it locks, is not",
                                       "add pyproject.toml to the folder"));
  }
  auto text = folder.read("uv.lock", largest_lock);
  if (!text) return std::unexpected(text.error());
  auto document = parse_toml(*text, "uv.lock");
  if (!document) return std::unexpected(document.error());
  Lock lock{LockKind::uv, "uv.lock"};
  lock.hashed = true;
  lock.packages = names_in(*document, "package");
  lock.depends_on_code = has_local_packages(*document);
  digest.add_field(*text).add_field(project.text);
  return lock;
}

base::Result<Lock> read_pylock(const Folder& folder, const Project& project, Digest& digest) {
  auto text = folder.read("pylock.toml", largest_lock);
  if (!text) return std::unexpected(text.error());
  auto document = parse_toml(*text, "pylock.toml");
  if (!document) return std::unexpected(document.error());
  Lock lock{LockKind::pylock, "pylock.toml"};
  lock.hashed = true;
  lock.packages = names_in(*document, "packages");
  digest.add_field(*text);
  install_project(lock, folder, project, digest);
  return lock;
}

base::Result<Lock> read_converted(Lock lock, base::Result<Requirements> converted, const Folder& folder,
                                  const Project& project, Digest& digest) {
  if (!converted) return std::unexpected(converted.error());
  lock.hashed = true;
  lock.packages = names_in(*converted);
  lock.requirements = to_requirements_txt(std::move(*converted));
  digest.add_field(*lock.requirements);
  install_project(lock, folder, project, digest);
  return lock;
}

base::Result<Lock> read_poetry(const Folder& folder, const Project& project, Digest& digest) {
  auto text = folder.read("poetry.lock", largest_lock);
  if (!text) return std::unexpected(text.error());
  return read_converted({LockKind::poetry, "poetry.lock"}, convert_poetry_lock(*text, project.text), folder, project,
                        digest);
}

base::Result<Lock> read_pipfile(const Folder& folder, const Project& project, Digest& digest) {
  auto text = folder.read("Pipfile.lock", largest_lock);
  if (!text) return std::unexpected(text.error());
  return read_converted({LockKind::pipfile, "Pipfile.lock"}, convert_pipfile_lock(*text), folder, project, digest);
}

// Reads requirements files with those that they include.
class RequirementsReader {
 public:
  RequirementsReader(const Folder& folder, Lock& lock, Digest& digest)
      : folder_(folder), lock_(lock), digest_(digest) {}

  base::Result<void> read(const std::string& file) {
    if (!seen_.insert(file).second) return {};
    auto text = folder_.read(file, largest_lock);
    if (!text) return base::wrap(text.error(), "read " + lock_.file);
    digest_.add_field(file).add_field(*text);
    auto joined = replace_all(replace_all(*text, "\\\r\n", " "), "\\\n", " ");
    for (auto line : split_lines(joined)) {
      if (auto done = read_line(trim(line), file); !done) return done;
    }
    return {};
  }

  bool all_hashed() const { return requirements_ > 0 && hashed_ == requirements_; }

 private:
  base::Result<void> read_line(std::string_view line, const std::string& file) {
    if (line.empty() || line.starts_with('#')) return {};
    for (std::string_view option : {"-r", "--requirement", "-c", "--constraint"}) {
      if (!line.starts_with(option)) continue;
      auto name = trim(line.substr(option.size()));
      if (name.starts_with('=')) name.remove_prefix(1);
      if (name.starts_with("http")) return {};
      return include(trim(name.substr(0, name.find(" #"))), file);
    }
    bool is_option = line.starts_with('-') && !line.starts_with("-e") && !line.starts_with("--editable");
    if (is_option) return {};
    ++requirements_;
    hashed_ += line.contains("--hash=");
    bool is_local = line.starts_with('-') || line.starts_with('.') || line.starts_with('/') || line.contains("file:");
    lock_.depends_on_code = lock_.depends_on_code || is_local;
    if (!is_local) lock_.packages.push_back(requirement_name(line));
    return {};
  }

  base::Result<void> include(std::string_view name, const std::string& from) {
    auto slash = from.rfind('/');
    auto folder = slash == from.npos ? std::string() : from.substr(0, slash + 1);
    std::string path;
    if (!normalize_inside(folder + std::string(name), path))
      return base::invalid("{} includes {}, which is outside the folder", from, name);
    return read(path);
  }

  const Folder& folder_;
  Lock& lock_;
  Digest& digest_;
  std::set<std::string> seen_;
  int requirements_ = 0, hashed_ = 0;
};

base::Result<Lock> read_requirements(const std::string& file, const Folder& folder, const Project& project,
                                     Digest& digest) {
  Lock lock{LockKind::requirements, file};
  RequirementsReader reader(folder, lock, digest);
  if (auto done = reader.read(file); !done) return std::unexpected(done.error());
  lock.hashed = reader.all_hashed();
  install_project(lock, folder, project, digest);
  return lock;
}

base::Result<Lock> read_pyproject(const Folder& folder, const Project& project, Digest& digest) {
  Lock lock{LockKind::pyproject, "pyproject.toml"};
  if (auto list = project.table["project"]["dependencies"].as_array()) {
    for (const auto& item : *list) {
      if (auto text = item.value<std::string>()) lock.packages.push_back(requirement_name(*text));
    }
  }
  digest.add_field(project.text);
  if (project.has_backend() && installs_project(folder, project)) lock.project = Lock::Project::editable;
  return lock;
}

// ---- the choice --------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 5> requirements_files = {"requirements.txt", "requirements/production.txt",
                                                                "requirements/prod.txt", "requirements-prod.txt",
                                                                "requirements.lock"};

std::vector<std::pair<LockKind, std::string>> locks_in(const Folder& folder, const Project& project) {
  std::vector<std::pair<LockKind, std::string>> found;
  for (auto kind : {LockKind::uv, LockKind::poetry, LockKind::pipfile, LockKind::pylock}) {
    if (folder.has_file(std::string(lock_name(kind)))) found.emplace_back(kind, lock_name(kind));
  }
  for (auto file : requirements_files) {
    if (!folder.has_file(std::string(file))) continue;
    found.emplace_back(LockKind::requirements, file);
    break;
  }
  if (project.has_metadata()) found.emplace_back(LockKind::pyproject, "pyproject.toml");
  return found;
}

base::Result<Lock> read_lock(LockKind kind, const std::string& file, const Folder& folder, const Project& project,
                             Digest& digest) {
  switch (kind) {
    case LockKind::uv:
      return read_uv(folder, project, digest);
    case LockKind::poetry:
      return read_poetry(folder, project, digest);
    case LockKind::pipfile:
      return read_pipfile(folder, project, digest);
    case LockKind::pylock:
      return read_pylock(folder, project, digest);
    case LockKind::requirements:
      return read_requirements(file, folder, project, digest);
    case LockKind::pyproject:
      return read_pyproject(folder, project, digest);
    case LockKind::none:
      break;
  }
  return Lock{};
}

// A description of dependencies that pins nothing and that uv does not read.
base::Result<void> refuse_unlocked(const Folder& folder, const Project& project) {
  auto refuse = [](std::string_view file, std::string_view advice) {
    return std::unexpected(base::Error(base::Kind::unsupported,
                                       fmt::format("{} alone does not say which packages to install", file),
                                       std::string(advice)));
  };
  if (folder.has_file("pdm.lock"))
    return refuse("pdm.lock", "run `pdm export --format pylock -o pylock.toml` and deploy that");
  if (folder.has_file("Pipfile")) return refuse("Pipfile", "run `pipenv lock` and add Pipfile.lock");
  if (folder.has_file("environment.yml"))
    return refuse("environment.yml", "Conda environments are not built; write requirements.txt or use uv");
  if (project.table["tool"]["poetry"].is_table())
    return refuse("pyproject.toml with [tool.poetry]", "run `poetry lock` and add poetry.lock");
  if (folder.has_file("setup.py"))
    return refuse("setup.py", "write a requirements.txt that holds `-e .`, or describe the project in pyproject.toml");
  return {};
}

void explain(Lock& lock, const std::vector<std::pair<LockKind, std::string>>& found) {
  std::string value = lock.file + (lock.packages.empty() ? "" : fmt::format(", {} packages", lock.packages.size()));
  if (lock.hashed) value += ", checked by hash";
  lock.findings.push_back({Finding::Level::found, "lock", value, "",
                           "remove it, and the next of uv.lock, poetry.lock, Pipfile.lock, pylock.toml, "
                           "requirements.txt, pyproject.toml is read"});
  for (const auto& [kind, file] : found) {
    bool belongs = kind == lock.kind || kind == LockKind::pyproject;
    if (!belongs)
      lock.findings.push_back({Finding::Level::ignored, "lock", file,
                               fmt::format("{} says more exactly what to install", lock.file),
                               fmt::format("remove {}", lock.file)});
  }
  if (lock.kind == LockKind::pyproject || (lock.kind == LockKind::requirements && !lock.hashed)) {
    lock.findings.push_back({Finding::Level::warning, "lock", "versions may differ from build to build",
                             fmt::format("{} pins no content", lock.file), "lock with `uv lock`"});
  }
}

}  // namespace

std::string_view lock_name(LockKind kind) {
  switch (kind) {
    case LockKind::none:
      return "";
    case LockKind::uv:
      return "uv.lock";
    case LockKind::pylock:
      return "pylock.toml";
    case LockKind::poetry:
      return "poetry.lock";
    case LockKind::pipfile:
      return "Pipfile.lock";
    case LockKind::requirements:
      return "requirements.txt";
    case LockKind::pyproject:
      return "pyproject.toml";
  }
  return "";
}

base::Result<Lock> find_lock(const Folder& folder) {
  auto project = read_project(folder);
  if (!project) return std::unexpected(project.error());
  auto found = locks_in(folder, *project);
  if (found.empty()) {
    if (auto fine = refuse_unlocked(folder, *project); !fine) return std::unexpected(fine.error());
    Lock none;
    none.digest = sha256_hex("");
    none.findings.push_back(
        {Finding::Level::found, "lock", "none: the app has no dependencies", "", "add uv.lock or requirements.txt"});
    return none;
  }
  Digest digest;
  digest.add_field(lock_name(found[0].first));
  auto lock = read_lock(found[0].first, found[0].second, folder, *project, digest);
  if (!lock) return lock;
  lock->digest = digest.hex();
  explain(*lock, found);
  return lock;
}

}  // namespace app
