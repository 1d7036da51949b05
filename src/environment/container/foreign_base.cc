#include "environment/container/foreign_base.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "app/image_reference.h"
#include "base/child.h"
#include "base/file.h"
#include "environment/container/base_system.h"
#include "environment/container/root_folder.h"
#include "image/foreign.h"
#include "image/skopeo.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using base::Kind;
using image::Source;

// Counts up whenever the same image would give another tree.
constexpr const char* kVersion = "1";

std::string machine() {
  utsname name{};
  ::uname(&name);
  return name.machine;
}

// Where Debian keeps libraries, below /usr/lib: "x86_64-linux-gnu".
std::string triplet() { return machine() + "-linux-gnu"; }

// Where the loaders of Debian's and Fedora's families look.
std::vector<std::string> library_folders() {
  return {"usr/lib/" + triplet(), "lib/" + triplet(), "usr/lib64", "lib64", "usr/lib", "lib", "usr/local/lib"};
}

std::optional<std::string> find_library(const RootFolder& system, const std::string& name) {
  for (const auto& folder : library_folders())
    if (auto path = folder + "/" + name; system.has(path)) return path;
  return std::nullopt;
}

// The library says its own version ("GNU C Library (…) stable release version 2.36."): there may be no dpkg.
std::string glibc_version(const RootFolder& system) {
  constexpr std::string_view kSign = "release version ";
  auto path = find_library(system, "libc.so.6");
  auto bytes = path ? system.read(*path) : base::not_found("no libc.so.6");
  auto at = bytes ? bytes->find(kSign) : std::string::npos;
  if (at == std::string::npos) return {};
  auto version = bytes->substr(at + kSign.size(), 16);
  return version.substr(0, version.find_first_not_of("0123456789."));
}

// "2.36." ends a sentence.
std::string without_dot(std::string version) {
  if (version.ends_with('.')) version.pop_back();
  return version;
}

base::Result<void> check_c_library(const Parts& parts, const RootFolder& root) {
  constexpr const char* kAdvice = "take an image made of Debian's or Ubuntu's packages, such as debian:stable-slim";
  if (root.has("lib/ld-musl-" + machine() + ".so.1"))
    return std::unexpected(
        base::Error(Kind::unsupported,
                    "it has musl instead of glibc (Alpine does), and wheels and Serai's server need glibc", kAdvice));
  auto there = without_dot(glibc_version(root));
  if (there.empty()) return std::unexpected(base::Error(Kind::unsupported, "it has no glibc", kAdvice));
  if (parts.built_with.glibc.empty() || !is_older(there, parts.built_with.glibc)) return {};
  return std::unexpected(
      base::Error(Kind::unsupported,
                  fmt::format("it has glibc {}, and apps are built with this host's {}", there, parts.built_with.glibc),
                  "take an image of a later release"));
}

// ldd(1): the names of what a program and what it needs are linked with. Our own programs: it runs their loader.
std::set<std::string> libraries_of(std::vector<std::string> programs) {
  std::set<std::string> names;
  if (programs.empty()) return names;
  programs.insert(programs.begin(), "/usr/bin/ldd");
  auto output = base::run({.argv = programs}, std::chrono::seconds(30));  // fails for what is no program
  std::istringstream lines(output ? output->out : "");
  for (std::string name, arrow, line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (words >> name >> arrow && arrow == "=>") names.insert(name);
  }
  return names;
}

std::vector<std::string> modules_in(const fs::path& folder) {
  std::vector<std::string> modules;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file() && at->path().extension() == ".so") modules.push_back(at->path());
  return modules;
}

// "/usr/bin/python3.11" is "python3.11"; empty for one outside /usr, which is a layer of its own.
std::string system_python(const Parts& parts) {
  const auto& program = parts.built_with.program;
  return program.starts_with("/usr/") ? fs::path(program).filename().string() : "";
}

// Whether our Python is to be added: the error when another one is in its place.
base::Result<bool> lacks_python(const Parts& parts, const RootFolder& root, const fs::path& system) {
  auto name = system_python(parts);
  if (name.empty()) return false;
  if (!root.has("usr/bin/" + name)) return true;
  auto there = upstream_version(system, name + "-minimal");
  if (there == parts.built_with.version) return false;
  return std::unexpected(
      base::Error(Kind::unsupported,
                  fmt::format("its {} is {}, and the app was built with {}", name,
                              there.empty() ? "not Debian's" : "version " + there, parts.built_with.version),
                  "take an image without it (Serai adds its own), or one with the same version"));
}

base::Result<void> add_libraries(const std::set<std::string>& names, const fs::path& own, const RootFolder& root,
                                 std::vector<Source>& sources) {
  std::string to;
  for (const auto& folder : {"usr/lib/" + triplet(), std::string("usr/lib64")})
    if (to.empty() && root.has(folder)) to = folder;
  for (const auto& name : names) {
    if (find_library(root, name)) continue;
    std::error_code error;
    auto from = fs::canonical(own / "usr/lib" / triplet() / name, error);
    if (error || to.empty())
      return std::unexpected(base::Error(Kind::unsupported, "it lacks the library " + name, "add it to the image"));
    sources.push_back({.from = from, .to = to + "/" + name});
  }
  return {};
}

// What is mounted over, or is every instance's own.
bool stays_out(const std::string& path) {
  constexpr std::array kOurs = {"app",          "venv",           "serai",          "home/app",
                                "etc/hostname", "etc/machine-id", "etc/resolv.conf"};
  constexpr std::array kEmptied = {"dev/", "proc/", "sys/", "run/", "tmp/", "var/tmp/", "boot/"};
  return std::ranges::find(kOurs, path) != kOurs.end() ||
         std::ranges::any_of(kEmptied, [&](const char* folder) { return path.starts_with(folder); });
}

}  // namespace

std::string foreign_base_key(const Parts& parts) {
  const auto& built = parts.built_with;
  return fmt::format("image {} {} for {} {} {}", kVersion, parts.base, built.program, built.version, built.glibc);
}

base::Result<std::vector<Source>> additions(const Parts& parts, const fs::path& own, const fs::path& system) {
  auto root = RootFolder::open(system);
  if (!root) return std::unexpected(root.error());
  if (auto fits = check_c_library(parts, *root); !fits) return std::unexpected(fits.error());
  auto lacks = lacks_python(parts, *root, system);
  if (!lacks) return std::unexpected(lacks.error());
  std::vector<Source> sources;
  auto programs = modules_in(parts.engine);
  if (*lacks) {
    auto name = system_python(parts);
    if (auto fits = check_fit(parts, own); !fits) return std::unexpected(fits.error());
    sources.push_back({.from = own / "usr/bin" / name, .to = "usr/bin/" + name});
    sources.push_back({.from = own / "usr/lib" / name, .to = "usr/lib/" + name, .keep_modes = true});
    programs.push_back(own / "usr/bin" / name);
    for (auto& module : modules_in(own / "usr/lib" / name)) programs.push_back(std::move(module));
  }
  auto added = add_libraries(libraries_of(std::move(programs)), own, *root, sources);
  if (!added) return std::unexpected(added.error());
  return sources;
}

base::Result<std::vector<Source>> foreign_base(const Parts& parts, const fs::path& own, const fs::path& scratch,
                                               int cancel_fd) {
  auto reference = app::ImageReference::parse(parts.base);
  if (!reference) return std::unexpected(reference.error());
  auto layout = scratch / "image", system = scratch / "system";
  auto done = base::make_folders(layout, 0700);
  if (done) done = base::make_folders(system, 0755);
  if (done) done = image::fetch_image(*reference, layout, cancel_fd);
  if (!done) return std::unexpected(done.error());
  done = image::flatten_image(layout, system);
  (void)base::remove_tree(layout);
  if (!done) return base::wrap(done.error(), "unpack the image " + parts.base);
  auto added = additions(parts, own, system);
  if (!added) return base::wrap(added.error(), "use the image " + parts.base + " as a base");
  std::vector<Source> sources = {{.from = system, .to = "", .keep_modes = true, .leave_out = stays_out}};
  sources.insert(sources.end(), added->begin(), added->end());
  return sources;
}

}  // namespace environment
