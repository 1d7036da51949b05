#include "environment/identity.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/file.h"
#include "environment/lock.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uid_t kFirst = 0x70000000, kLast = 0x7fffffff;
constexpr uid_t kRange = 4096;                               // uids of one root
constexpr uid_t kEdge = 0, kSupervisor = 1, kFirstApp = 16;  // offsets in the range

using Registry = std::map<uid_t, std::string>;  // base → root

// Lines "1879048192 /var/lib/serai". Roots that are gone give their range back.
Registry read_registry(const fs::path& file) {
  Registry registry;
  std::istringstream lines(base::read_file(file).value_or(""));
  uid_t base_uid;
  for (std::string root; lines >> base_uid && std::getline(lines >> std::ws, root);)
    if (fs::exists(fs::path(root) / "identities.json")) registry[base_uid] = root;
  return registry;
}

base::Result<void> write_registry(const fs::path& file, const Registry& registry) {
  std::string text;
  for (const auto& [base_uid, root] : registry) text += fmt::format("{} {}\n", base_uid, root);
  return base::write_file_atomically(file, text);
}

fs::path identities_file(const Layout& layout) { return layout.root / "identities.json"; }

json read_identities(const Layout& layout) {
  auto text = base::read_file(identities_file(layout));
  auto value = text ? json::parse(*text, nullptr, false) : json();
  return value.is_object() ? value : json{{"base", 0}, {"apps", json::object()}};
}

base::Result<void> write_identities(const Layout& layout, const json& identities) {
  return base::write_file_atomically(identities_file(layout), identities.dump(1) + "\n", 0600);
}

// Ranges whose users still run something: a root that was deleted without being stopped leaves its processes behind,
// and nobody else may get their uids.
std::set<uid_t> ranges_with_processes() {
  std::set<uid_t> ranges;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    auto status = base::read_file(at->path() / "status");
    auto line = status ? status->find("\nUid:\t") : std::string::npos;
    if (line == std::string::npos) continue;
    auto uid = static_cast<uid_t>(std::strtoul(status->c_str() + line + 6, nullptr, 10));
    if (uid >= kFirst && uid <= kLast) ranges.insert(uid - (uid - kFirst) % kRange);
  }
  return ranges;
}

base::Result<uid_t> free_range(const Registry& registry) {
  auto busy = ranges_with_processes();
  for (uid_t candidate = kFirst; candidate + kRange - 1 <= kLast; candidate += kRange)
    if (!registry.contains(candidate) && !busy.contains(candidate)) return candidate;
  return base::fail(base::Kind::overloaded, "reserve a range of user ids: all {} are taken", (kLast - kFirst) / kRange);
}

// A root that was copied names a range that belongs to the original: it gets another.
base::Result<uid_t> reserve(const Layout& layout, const fs::path& registry_file) {
  auto lock = Lock::take(registry_file.string() + ".lock");
  if (!lock) return std::unexpected(lock.error());
  auto registry = read_registry(registry_file);
  auto root = fs::weakly_canonical(layout.root).string();
  for (const auto& [base_uid, owner] : registry)
    if (owner == root) return base_uid;
  auto identities = read_identities(layout);
  uid_t wanted = identities.value("base", uid_t{0});
  if (wanted < kFirst || registry.contains(wanted)) {
    auto found = free_range(registry);
    if (!found) return found;
    wanted = *found;
  }
  identities["base"] = wanted;
  if (auto written = write_identities(layout, identities); !written) return std::unexpected(written.error());
  registry[wanted] = root;
  if (auto written = write_registry(registry_file, registry); !written) return std::unexpected(written.error());
  return wanted;
}

}  // namespace

base::Result<Identities> Identities::open(Layout layout, fs::path registry) {
  Identities identities;
  identities.layout_ = std::move(layout);
  identities.registry_ = std::move(registry);
  if (::geteuid() != 0) return identities;
  if (auto made = base::make_folders(identities.layout_.root, 0711); !made) return std::unexpected(made.error());
  if (auto made = base::make_folders(identities.registry_.parent_path()); !made) return std::unexpected(made.error());
  auto base_uid = reserve(identities.layout_, identities.registry_);
  if (!base_uid) return base::wrap(base_uid.error(), "reserve a range of user ids for this root");
  identities.base_ = *base_uid;
  return identities;
}

Identity Identities::edge() const {
  return base_ ? Identity{base_ + kEdge, base_ + kEdge} : Identity{::geteuid(), ::getegid()};
}

Identity Identities::supervisor() const {
  return base_ ? Identity{base_ + kSupervisor, base_ + kSupervisor} : Identity{::geteuid(), ::getegid()};
}

UidRange Identities::apps() const {
  return base_ ? UidRange{base_ + kFirstApp, base_ + kRange - 1} : UidRange{::geteuid(), ::geteuid()};
}

base::Result<Identity> Identities::claim(const std::string& app) {
  if (!base_) return Identity{::geteuid(), ::getegid()};
  auto lock = Lock::take(layout_.root / "identities.lock");
  if (!lock) return std::unexpected(lock.error());
  auto identities = read_identities(layout_);
  auto& apps = identities["apps"];
  if (!apps.contains(app)) {
    std::set<uid_t> taken;
    for (const auto& [name, offset] : apps.items()) taken.insert(offset.get<uid_t>());
    uid_t offset = kFirstApp;
    while (taken.contains(offset)) offset++;
    if (offset >= kRange)
      return base::fail(base::Kind::overloaded, "give {} a user: this root has {} apps already", app,
                        kRange - kFirstApp);
    apps[app] = offset;
    if (auto written = write_identities(layout_, identities); !written) return std::unexpected(written.error());
  }
  uid_t uid = base_ + apps[app].get<uid_t>();
  return Identity{uid, uid};
}

base::Result<void> Identities::release(const std::string& app) {
  if (!base_) return {};
  auto lock = Lock::take(layout_.root / "identities.lock");
  if (!lock) return std::unexpected(lock.error());
  auto identities = read_identities(layout_);
  identities["apps"].erase(app);
  return write_identities(layout_, identities);
}

std::string Identities::host_name() const {
  auto root = fs::weakly_canonical(layout_.root).string();
  if (base_) return fmt::format("serai-{:x}", base_ >> 12);
  return fmt::format("serai-{}-{:x}", ::geteuid(), std::hash<std::string>{}(root) & 0xffff);
}

base::Result<void> Identities::give_up_range() {
  if (!base_) return {};
  auto lock = Lock::take(registry_.string() + ".lock");
  if (!lock) return std::unexpected(lock.error());
  auto registry = read_registry(registry_);
  registry.erase(base_);
  base_ = 0;
  return write_registry(registry_, registry);
}

}  // namespace environment
