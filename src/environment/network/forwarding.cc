#include "environment/network/forwarding.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/fd.h"
#include "base/file.h"
#include "environment/lock.h"
#include "instance/network.h"
#include "instance/nft.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// One for all roots of the host.
constexpr const char* kTable = "serai-uplinks";

fs::path setting(const std::string& interface) {
  return fs::path("/proc/sys/net/ipv4/conf") / interface / "forwarding";
}

bool is_on(const std::string& interface) {
  auto value = base::read_file(setting(interface));
  return value && value->starts_with('1');
}

base::Result<void> set(const std::string& interface, const char* value) {
  auto file = base::open(setting(interface), O_WRONLY);
  if (!file) return base::wrap(file.error(), "let the host pass on instances' packets");
  return base::write_all(file->get(), value);
}

// The chain is written anew, in one step.
base::Result<void> keep_from_routing(const std::vector<std::string>& interfaces) {
  std::string list;
  for (const auto& interface : interfaces) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", interface);
  return instance::run_nft(fmt::format(
      R"(add table inet {0}
add chain inet {0} forward {{ type filter hook forward priority -10; policy accept; }}
flush chain inet {0} forward
add rule inet {0} forward iifname {{ {1} }} oifname != "{2}*" drop
)",
      kTable, list, instance::kInterfacePrefix));
}

std::vector<std::string> switched_off() {
  auto found = uplinks();
  std::erase_if(found, is_on);
  return found;
}

void add(std::vector<std::string>& list, const std::string& item) {
  if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

}  // namespace

std::vector<std::string> uplinks() {
  std::istringstream lines(base::read_file("/proc/net/route").value_or(""));
  std::vector<std::string> found;
  std::string line, name;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    std::istringstream(line) >> name;
    if (!name.starts_with(instance::kInterfacePrefix)) add(found, name);
  }
  return found;
}

Forwarding::Forwarding(std::string user, fs::path folder) : user_(std::move(user)), folder_(std::move(folder)) {}

base::Result<Forwarding::State> Forwarding::read() const {
  auto text = base::read_file(folder_ / "forwarding.json");
  if (!text) return State{};
  try {
    auto value = json::parse(*text);
    return State{value.at("users"), value.at("interfaces")};
  } catch (const json::exception& error) {
    return base::fail(base::Kind::internal, "read {}/forwarding.json: {}", folder_.string(), error.what());
  }
}

base::Result<void> Forwarding::write(const State& state) const {
  auto file = folder_ / "forwarding.json";
  if (state.users.empty()) {
    ::unlink(file.c_str());
    return {};
  }
  json value = {{"users", state.users}, {"interfaces", state.interfaces}};
  return base::write_file_atomically(file, value.dump(1) + "\n", 0600);
}

base::Result<void> Forwarding::need() {
  auto known = read();
  if (!known) return std::unexpected(known.error());
  // Where others switched it on, they must not switch it off under us.
  bool is_counted = known->users.empty() || std::ranges::find(known->users, user_) != known->users.end();
  if (is_counted && switched_off().empty()) return {};
  if (auto made = base::make_folders(folder_, 0755); !made) return made;
  auto lock = Lock::take(folder_ / "lock");
  if (!lock) return std::unexpected(lock.error());
  return switch_on(switched_off());
}

base::Result<void> Forwarding::switch_on(const std::vector<std::string>& interfaces) {
  auto state = read();
  if (!state) return std::unexpected(state.error());
  add(state->users, user_);
  for (const auto& interface : interfaces) add(state->interfaces, interface);
  if (state->interfaces.empty()) return {};  // the host forwards by itself
  // In this order, whatever interrupts it: what is on is closed to strangers and written down.
  auto done = keep_from_routing(state->interfaces);
  if (done) done = write(*state);
  for (const auto& interface : interfaces)
    if (done) done = set(interface, "1");
  return done;
}

base::Result<void> Forwarding::release() {
  if (!fs::exists(folder_ / "forwarding.json")) return {};
  auto lock = Lock::take(folder_ / "lock");
  if (!lock) return std::unexpected(lock.error());
  auto state = read();
  if (!state) return std::unexpected(state.error());
  std::erase(state->users, user_);
  if (!state->users.empty()) return write(*state);
  for (const auto& interface : state->interfaces) (void)set(interface, "0");  // it may be gone
  auto done = instance::run_nft(fmt::format("add table inet {0}\ndelete table inet {0}\n", kTable));
  if (done) done = write(*state);
  return done;
}

}  // namespace environment
