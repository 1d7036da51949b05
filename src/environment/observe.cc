#include "environment/observe.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "base/file.h"
#include "environment/shared/record.h"

namespace environment {
namespace {

namespace fs = std::filesystem;

fs::path of_process(pid_t pid, const std::string& file) { return fs::path("/proc") / std::to_string(pid) / file; }

// The word after "NAME:" in a file of such lines; empty when it is not there.
std::string field(const std::string& text, std::string_view name) {
  auto at = text.find(std::string("\n").append(name).append(":"));
  if (at == std::string::npos) return {};
  at = text.find_first_not_of(" \t", at + name.size() + 2);
  return text.substr(at, text.find_first_of(" \t\n", at) - at);
}

std::uint64_t number(const std::string& text, int base = 10) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

bool has_own_namespace(pid_t pid, const std::string& name) {
  std::error_code error;
  auto ours = fs::read_symlink("/proc/self/ns/" + name, error);
  auto theirs = fs::read_symlink(of_process(pid, "ns/" + name), error);
  return !error && ours != theirs;
}

struct Process {
  pid_t pid;
  std::string status;  // proc(5), with a line break before the first line
};

struct Check {
  const char* name;
  std::function<bool(const Record&, const Process&)> stands;
};

auto own_namespace(const char* name) {
  return [name](const Record&, const Process& process) { return has_own_namespace(process.pid, name); };
}

bool has_own_user(const Record& record, const Process& process) {
  return record.user.uid != ::geteuid() && number(field(process.status, "Uid")) == record.user.uid;
}

bool has_no_capability(const Record&, const Process& process) {
  return std::ranges::all_of(std::initializer_list<const char*>{"CapPrm", "CapEff", "CapAmb"},
                             [&](const char* set) { return number(field(process.status, set), 16) == 0; });
}

bool is_limited(const Record& record, const Process&) {
  auto group = allocation::Group::restore(record.group);
  return group.has("cpu") && group.has("memory") && group.has("pids");
}

const std::vector<Check>& checks() {
  static const std::vector<Check> all = {
      {"own user", has_own_user},
      {"no capabilities", has_no_capability},
      {"no new privileges",
       [](const Record&, const Process& process) { return field(process.status, "NoNewPrivs") == "1"; }},
      {"system call filter",
       [](const Record&, const Process& process) { return field(process.status, "Seccomp") == "2"; }},
      {"own processes", own_namespace("pid")},
      {"own files", own_namespace("mnt")},
      {"own ipc", own_namespace("ipc")},
      {"own network", own_namespace("net")},
      {"own user namespace", own_namespace("user")},
      {"limits", is_limited},
      {"own CPUs", [](const Record& record, const Process&) { return !record.limits.cpus.empty(); }},
      {"own kernel", [](const Record& record, const Process&) { return record.kind == Kind::vm; }},
  };
  return all;
}

void add(Footprint& sum, pid_t pid) {
  auto text = base::read_file(of_process(pid, "smaps_rollup"));
  if (!text || text->empty()) return;  // it ended meanwhile
  sum.anonymous += number(field(*text, "Pss_Anon")) << 10;
  sum.proportional += number(field(*text, "Pss")) << 10;
  sum.processes++;
}

}  // namespace

base::Result<allocation::Group> group_of(const Layout& layout, const std::string& id) {
  auto record = Record::read(layout, id);
  if (!record) return std::unexpected(record.error());
  return allocation::Group::restore(record->group);
}

base::Result<Footprint> footprint(const Layout& layout, const std::string& id) {
  auto record = Record::read(layout, id);
  if (!record) return std::unexpected(record.error());
  Footprint sum;
  auto pids = allocation::Group::restore(record->group).processes();
  if (record->supervisor > 0 && std::ranges::find(pids, record->supervisor) == pids.end())
    pids.push_back(record->supervisor);
  for (pid_t pid : pids) add(sum, pid);
  return sum;
}

base::Result<std::vector<Wall>> walls(const Layout& layout, const std::string& id) {
  auto record = Record::read(layout, id);
  if (!record) return std::unexpected(record.error());
  std::vector<Process> processes;
  for (pid_t pid : allocation::Group::restore(record->group).processes())
    if (auto status = base::read_file(of_process(pid, "status")); status && !status->empty())
      processes.push_back({pid, "\n" + *status});
  if (processes.empty()) return base::fail(base::Kind::unavailable, "look at instance {}: nothing of it runs", id);
  std::vector<Wall> found;
  for (const auto& check : checks())
    found.push_back({check.name, std::ranges::all_of(processes, [&](const Process& process) {
                       return check.stands(*record, process);
                     })});
  return found;
}

}  // namespace environment
