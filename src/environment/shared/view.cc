#include "environment/shared/view.h"

#include <unistd.h>

#include <filesystem>

namespace environment {
namespace {

namespace fs = std::filesystem;
using instance::Mount;

// What programs look up in /etc. No secrets are there; everything else of the host's /etc stays out of sight.
constexpr const char* kEtc[] = {"hosts",           "resolv.conf",  "nsswitch.conf",  "gai.conf",     "host.conf",
                                "protocols",       "services",     "localtime",      "timezone",     "mime.types",
                                "ld.so.cache",     "ld.so.conf",   "ld.so.conf.d",   "ssl/certs",    "ssl/openssl.cnf",
                                "ca-certificates", "alternatives", "debian_version", "os-release",   "python3",
                                "python3.11",      "magic",        "fonts",          "terminfo",     "inputrc",
                                "networks",        "rpc",          "ethertypes",     "locale.alias", "pki"};

Mount show(const fs::path& from, const std::string& to) {
  Mount mount{.kind = "bind", .to = to, .base = from.string()};
  mount.recursive = true;
  return mount;
}

std::string below_root(const fs::path& path) { return path.relative_path(); }

// /bin, /lib … are links on a merged-/usr system and folders on others.
void add_top_level(std::vector<Mount>& mounts) {
  mounts.push_back(show("/usr", "usr"));
  for (std::string name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    fs::path path = "/" + name;
    if (fs::is_symlink(path)) {
      Mount link{.kind = "link", .to = name};
      link.content = fs::read_symlink(path).string();
      mounts.push_back(std::move(link));
    } else if (fs::is_directory(path)) {
      mounts.push_back(show(path, name));
    }
  }
}

void add_file(std::vector<Mount>& mounts, const std::string& to, std::string content) {
  Mount file{.kind = "file", .to = to};
  file.content = std::move(content);
  file.mode = 0644;
  mounts.push_back(std::move(file));
}

void add_etc(std::vector<Mount>& mounts, Identity user) {
  for (const char* name : kEtc) {
    // Followed here, on the host: /etc/resolv.conf and /etc/localtime are often links out of /etc.
    std::error_code error;
    auto real = fs::canonical(fs::path("/etc") / name, error);
    if (error) continue;
    auto mount = show(real, std::string("etc/") + name);
    mount.optional = true;
    mounts.push_back(std::move(mount));
  }
  add_file(mounts, "etc/passwd",
           fmt::format("root:x:0:0:root:/root:/usr/sbin/nologin\napp:x:{}:{}:app:/home/app:/bin/sh\n"
                       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                       user.uid, user.gid));
  add_file(mounts, "etc/group", fmt::format("root:x:0:\napp:x:{}:\nnogroup:x:65534:\n", user.gid));
}

void add_dev(std::vector<Mount>& mounts) {
  Mount dev{.kind = "tmpfs", .to = "dev"};
  dev.size = 64 << 10;
  mounts.push_back(std::move(dev));
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    Mount device{.kind = "device", .to = std::string("dev/") + name, .base = std::string("/dev/") + name};
    device.writable = true;
    mounts.push_back(std::move(device));
  }
  mounts.push_back({.kind = "devpts", .to = "dev/pts"});
  const std::pair<const char*, const char*> links[] = {{"dev/ptmx", "pts/ptmx"},
                                                       {"dev/fd", "/proc/self/fd"},
                                                       {"dev/stdin", "/proc/self/fd/0"},
                                                       {"dev/stdout", "/proc/self/fd/1"},
                                                       {"dev/stderr", "/proc/self/fd/2"}};
  for (auto [to, content] : links) {
    Mount link{.kind = "link", .to = to};
    link.content = content;
    mounts.push_back(std::move(link));
  }
}

void add_tmpfs(std::vector<Mount>& mounts, const char* to, std::uint64_t size) {
  Mount tmpfs{.kind = "tmpfs", .to = to};
  tmpfs.size = size;
  tmpfs.mode = 01777;
  mounts.push_back(std::move(tmpfs));
}

void add_part(std::vector<Mount>& mounts, const fs::path& from, const std::string& to, bool writable) {
  if (from.empty()) return;
  Mount mount{.kind = "bind", .to = to, .base = from.string()};
  mount.writable = writable;
  mounts.push_back(std::move(mount));
}

}  // namespace

std::vector<Mount> system_mounts(const SystemView& view) {
  std::vector<Mount> mounts;
  add_top_level(mounts);
  add_etc(mounts, view.user);
  mounts.push_back({.kind = "proc", .to = "proc"});
  add_dev(mounts);
  add_tmpfs(mounts, "dev/shm", view.shm_bytes);
  add_part(mounts, view.tmp, "tmp", true);
  add_part(mounts, view.var_tmp, "var/tmp", true);
  add_tmpfs(mounts, "run", 16 << 20);
  bool build = view.view != View::release;
  add_part(mounts, view.home, "home/app", true);
  add_part(mounts, view.parts.venv, "venv", view.view == View::install);
  add_part(mounts, view.parts.engine, "serai/engine", false);
  add_part(mounts, view.parts.tools, "serai/tools", false);
  if (build) add_part(mounts, view.cache, "cache", true);
  for (const auto& interpreter : view.parts.interpreters) {
    if (below_root(interpreter).starts_with("usr/")) continue;
    mounts.push_back(show(interpreter, below_root(interpreter)));
  }
  return mounts;
}

Variables base_environment(const Parts& parts, const Variables& over) {
  Variables env = {{"HOME", "/home/app"},
                   {"USER", "app"},
                   {"LOGNAME", "app"},
                   {"SHELL", "/bin/sh"},
                   {"LANG", "C.UTF-8"},
                   {"TMPDIR", "/tmp"},
                   {"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  if (!parts.venv.empty()) {
    env["PATH"] = "/venv/bin:" + env["PATH"];
    env["VIRTUAL_ENV"] = "/venv";
  }
  for (const auto& [name, value] : over) env[name] = value;
  return env;
}

}  // namespace environment
