#include "environment/container/base_system.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "base/file.h"
#include "environment/container/apart.h"
#include "environment/container/root_folder.h"
#include "image/layer.h"

namespace environment {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kPatience{15};
// Counts up whenever the same recipe would give another tree.
constexpr const char* kVersion = "1";
// What Python apps and their wheels expect of a system (time zones, certificates, file types, names of services), and
// the libraries of the engine, as Debian 12 names them.
constexpr const char* kPackages[] = {"ca-certificates", "libbrotli1",  "libfmt9", "libnghttp2-14", "libpq5",
                                     "libstdc++6",      "media-types", "netbase", "python3",       "tzdata"};
constexpr const char* kMmdebstrap = "/usr/bin/mmdebstrap";

std::string value_of(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key + "=")) continue;
    auto value = line.substr(key.size() + 1);
    std::erase(value, '"');
    return value;
  }
  return {};
}

// The files that name the suite: third parties' sources have nothing that a base needs.
std::vector<std::string> source_files(const std::string& suite) {
  std::vector<std::string> files;
  auto consider = [&](const fs::path& file) {
    bool is_source = file.extension() == ".list" || file.extension() == ".sources";
    auto text = is_source ? base::read_file(file) : base::not_found("no source");
    if (text && text->find(suite) != std::string::npos && text->find("debian.org") != std::string::npos)
      files.push_back(file.string());
  };
  consider("/etc/apt/sources.list");
  std::error_code error;
  for (fs::directory_iterator at("/etc/apt/sources.list.d", error), end; !error && at != end; at.increment(error))
    consider(at->path());
  std::ranges::sort(files);
  return files;
}

base::Result<void> run_step(const std::string& what, std::vector<std::string> argv, int cancel_fd) {
  base::Command command{.argv = std::move(argv), .cwd = "/", .cancel_fd = cancel_fd};
  // What is generated during the installation gets this time too.
  command.env = std::vector<std::string>{
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",   "HOME=/root",
      "DEBIAN_FRONTEND=noninteractive",     "PYTHONHASHSEED=0", fmt::format("SOURCE_DATE_EPOCH={}", image::kTime)};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"})
    if (const char* value = std::getenv(name)) command.env->push_back(fmt::format("{}={}", name, value));
  auto output = run_apart(std::move(command), kPatience);
  if (!output) return base::wrap(output.error(), what);
  if (output->cancelled) return base::fail(base::Kind::unavailable, "{}: the daemon is stopping", what);
  if (output->timed_out) return base::fail(base::Kind::unavailable, "{}: it took longer than 15 minutes", what);
  if (base::succeeded(output->status)) return {};
  auto end = output->err.find_last_not_of('\n');
  auto last = output->err.substr(0, end == std::string::npos ? 0 : end + 1);
  return std::unexpected(
      base::Error(base::Kind::unavailable, fmt::format("{}: {}", what, last.substr(last.rfind('\n') + 1)),
                  "the packages come from this host's apt sources: does `apt-get update` work here?"));
}

// Debian's packages compile Python files when they are installed, into bytecode that names the sources' times, which a
// layer does not keep. Hashes are checked by nobody, so that nothing is read twice.
base::Result<void> compile_python(const fs::path& folder, int cancel_fd) {
  return run_step("compile the base's Python",
                  {"/usr/sbin/chroot", folder.string(), "/usr/bin/python3", "-m", "compileall", "-q", "-f", "-j", "1",
                   "--invalidation-mode", "unchecked-hash", "/usr/lib/python3", "/usr/lib"},
                  cancel_fd);
}

// deb-version(7): the revision follows the last hyphen; an epoch ends at the colon.
std::string without_revision(std::string version) {
  if (auto hyphen = version.rfind('-'); hyphen != std::string::npos) version.resize(hyphen);
  if (auto colon = version.find(':'); colon != std::string::npos) version.erase(0, colon + 1);
  return version;
}

// dpkg's own record of what is installed.
std::map<std::string, std::string> upstream_versions(const fs::path& root) {
  constexpr std::size_t kLargest = 64 << 20;
  auto folder = RootFolder::open(root);
  std::istringstream lines(folder ? folder->read("var/lib/dpkg/status", kLargest).value_or("") : "");
  std::map<std::string, std::string> versions;
  std::string package;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Package: ")) package = line.substr(9);
    if (line.starts_with("Version: ")) versions[package] = without_revision(line.substr(9));
  }
  return versions;
}

base::Result<void> check_interpreter(const BuiltWith& built, const fs::path& base) {
  if (!built.program.starts_with("/usr/")) return {};
  auto there = upstream_version(base, fs::path(built.program).filename().string() + "-minimal");
  if (there == built.version) return {};
  return std::unexpected(
      base::Error(base::Kind::unsupported,
                  fmt::format("the app was built with Python {} ({}), and the container's base has {}", built.version,
                              built.program, there.empty() ? "none of that name" : there),
                  "upgrade the host's python3 to its release's version, or ask for an interpreter outside /usr"));
}

// glibc keeps what was built against an older one running, and nothing that was built against a newer one.
base::Result<void> check_glibc(const BuiltWith& built, const fs::path& base) {
  auto there = upstream_version(base, "libc6");
  if (built.glibc.empty() || (!there.empty() && !is_older(there, built.glibc))) return {};
  return std::unexpected(base::Error(base::Kind::unsupported,
                                     fmt::format("the app was built with glibc {}, and the container's base has {}",
                                                 built.glibc, there.empty() ? "no glibc" : there),
                                     "run Serai on the Debian release that the base is made of"));
}

}  // namespace

bool is_older(const std::string& version, const std::string& than) {
  std::istringstream one(version), other(than);
  for (int a = 0, b = 0; (one >> a) && (other >> b);) {
    if (a != b) return a < b;
    one.ignore(1, '.');
    other.ignore(1, '.');
  }
  return false;
}

base::Result<BaseRecipe> BaseRecipe::of_host() {
  BaseRecipe recipe;
  auto release = base::read_file("/etc/os-release").value_or("");
  recipe.suite = value_of(release, "VERSION_CODENAME");
  if (value_of(release, "ID") != "debian" || recipe.suite.empty())
    return base::fail(base::Kind::unsupported,
                      "make a container's base: this host is no Debian, and no other base can "
                      "be made yet");
  recipe.packages.assign(std::begin(kPackages), std::end(kPackages));
  recipe.sources = source_files(recipe.suite);
  return recipe;
}

std::string BaseRecipe::key() const {
  std::string text = fmt::format("base {} {}", kVersion, suite);
  for (const auto& package : packages) text += " " + package;
  return text;
}

base::Result<void> can_make_base() {
  if (::access(kMmdebstrap, X_OK) == 0) return {};
  return std::unexpected(base::Error(base::Kind::unsupported, "make a container's base: there is no mmdebstrap",
                                     "install it: apt-get install mmdebstrap"));
}

base::Result<void> make_base(const BaseRecipe& recipe, const fs::path& folder, int cancel_fd) {
  if (auto possible = can_make_base(); !possible) return possible;
  std::string packages;
  for (const auto& package : recipe.packages) packages += (packages.empty() ? "" : ",") + package;
  std::vector<std::string> argv = {
      kMmdebstrap, "--quiet", "--mode=root", "--variant=essential", "--format=directory", "--include=" + packages};
  for (const char* left_out : {"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"})
    argv.push_back(fmt::format("--dpkgopt=path-exclude={}", left_out));
  argv.push_back(recipe.suite);
  argv.push_back(folder.string());
  for (const auto& source : recipe.sources) argv.push_back(source);
  auto made = run_step("install the base's packages", std::move(argv), cancel_fd);
  return made ? compile_python(folder, cancel_fd) : made;
}

bool stays_out_of_base(const std::string& path) {
  constexpr std::array kPaths = {"etc/hostname",
                                 "etc/machine-id",
                                 "etc/resolv.conf",
                                 "etc/passwd-",
                                 "etc/group-",
                                 "etc/shadow-",
                                 "etc/gshadow-",
                                 "etc/.pwd.lock",
                                 "etc/apt",
                                 "root/.cache",
                                 "usr/share/doc",
                                 "usr/share/info",
                                 "usr/share/lintian",
                                 "usr/share/locale",
                                 "usr/share/man",
                                 "var/cache/apt",
                                 "var/cache/debconf",
                                 "var/cache/ldconfig",
                                 "var/lib/apt",
                                 "var/lib/dpkg/lock",
                                 "var/lib/dpkg/lock-frontend",
                                 "var/lib/dpkg/status-old",
                                 "var/lib/dpkg/diversions-old",
                                 "var/lib/dpkg/statoverride-old",
                                 "var/lib/systemd"};
  constexpr std::array kEmptied = {"dev/", "proc/", "sys/", "run/", "tmp/", "var/tmp/", "var/log/", "boot/"};
  return std::ranges::find(kPaths, path) != kPaths.end() ||
         std::ranges::any_of(kEmptied, [&](const char* folder) { return path.starts_with(folder); });
}

std::string upstream_version(const fs::path& root, const std::string& package) {
  auto versions = upstream_versions(root);
  auto found = versions.find(package);
  return found == versions.end() ? "" : found->second;
}

base::Result<void> check_host(const fs::path& base) {
  auto host = upstream_versions("/");
  for (const auto& [package, version] : upstream_versions(base)) {
    bool matters = package == "libc6" || (package.starts_with("python3.") && package.ends_with("-minimal"));
    auto here = host.find(package);
    if (!matters || here == host.end() || here->second == version) continue;
    return std::unexpected(base::Error(
        base::Kind::unsupported,
        fmt::format("the new base has {} {}, and this host, where apps are built, {}", package, version, here->second),
        "upgrade the host first: apt-get update && apt-get upgrade"));
  }
  return {};
}

base::Result<void> check_fit(const Parts& parts, const fs::path& base) {
  if (parts.venv.empty()) return {};
  auto fits = check_glibc(parts.built_with, base);
  return fits ? check_interpreter(parts.built_with, base) : fits;
}

}  // namespace environment
