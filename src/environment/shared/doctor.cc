// What this host can do, each thing tried out.
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>

#include "base/file.h"
#include "environment/shared/shared.h"
#include "instance/scope.h"

namespace environment {
namespace {

using State = Fact::State;

Fact kernel() {
  utsname name{};
  ::uname(&name);
  return {.name = "kernel", .found = name.release, .advice = {}, .state = State::good};
}

Fact caller(bool is_root, const std::string& host_name) {
  if (is_root)
    return {.name = "users",
            .found = "root: each app has a user of its own (" + host_name + ")",
            .advice = {},
            .state = State::good};
  return {.name = "users",
          .found = fmt::format("uid {}: all apps run as this user and are not protected from each other", ::geteuid()),
          .advice = "run the daemon as root for one user per app",
          .state = State::degraded};
}

Fact groups(const allocation::Hierarchy& hierarchy, const std::string& name) {
  Fact fact{.name = "control groups", .found = hierarchy.describe(), .advice = {}, .state = State::good};
  auto group = allocation::Group::create(hierarchy, name, {});
  std::string missing;
  for (const char* controller : {"cpu", "memory", "pids"})
    if (!group || !hierarchy.has(controller)) missing += missing.empty() ? controller : std::string(", ") + controller;
  if (group)
    (void)group->remove();
  else
    fact.found += ": " + group.error().describe();
  if (missing.empty()) return fact;
  fact.state = State::missing;
  fact.advice = "limits for " + missing + " are not enforced: run as root, or let systemd delegate them (Delegate=yes)";
  return fact;
}

Fact landlock() {
  if (instance::can_keep_to_itself())
    return {.name = "Landlock",
            .found = "abstract Unix sockets are kept to the instance that opened them",
            .advice = {},
            .state = State::good};
  return {.name = "Landlock",
          .found = "this kernel cannot keep abstract Unix sockets apart: apps reach those of others",
          .advice = "Linux 6.12 with Landlock switched on can",
          .state = State::degraded};
}

Fact firewall(bool is_root) {
  Fact fact{.name = "firewall", .found = "nftables works", .advice = {}, .state = State::good};
  auto probed = is_root ? Firewall::probe() : base::Result<void>(base::fail(base::Kind::denied, "not root"));
  if (probed) return fact;
  fact.found = probed.error().describe();
  fact.advice =
      "neither can apps have networks of their own, nor the port of a program that brings its own server and the "
      "addresses at which clouds give out credentials be closed to them: run as root with the package nftables";
  fact.state = State::degraded;
  return fact;
}

Fact network(const base::Result<void>& tried) {
  if (tried)
    return {.name = "network",
            .found = "each instance has a network of its own; what it sends gets out of the host and back",
            .advice = {},
            .state = State::good};
  return {.name = "network",
          .found = tried.error().describe() + ": instances are on the host's network",
          .advice = tried.error().advice(),
          .state = State::degraded};
}

}  // namespace

base::Result<void> SharedEnvironment::try_networks() {
  std::lock_guard lock(ports_);
  auto tried = networks_.try_out();
  if (identities_.is_root() && !is_anybody_left()) lower_firewall();
  return tried;
}

Facts SharedEnvironment::doctor() {
  // No app can have this name: apps' names hold no underscore.
  static std::atomic<int> examinations = 0;
  auto name = fmt::format("doctor_{}_{}", ::getpid(), ++examinations);
  Facts facts{kernel(), caller(identities_.is_root(), identities_.host_name()),
              groups(hierarchy_, identities_.host_name() + "/" + name)};
  // A whole one-off command: namespaces, overlay, mounts by descriptor, users and the system call filter.
  Fact view{.name = "isolation",
            .found = "namespaces, overlay, read-only system and system call filter work",
            .advice = {},
            .state = State::good};
  auto code = layout_.app(name) / "code";
  RunSpec spec;
  spec.app = name;
  spec.parts.code = code;
  spec.argv = {"/bin/sh", "-c", "exec grep -q '^Seccomp:.2' /proc/self/status"};
  spec.timeout = std::chrono::seconds(20);
  auto prepared = prepare(name);
  auto made = prepared ? base::make_folders(code) : base::Result<void>(std::unexpected(prepared.error()));
  auto ran = made ? run_once(spec) : base::Result<RunResult>(std::unexpected(made.error()));
  if (!ran || !base::succeeded(ran->status)) {
    view.found = ran ? "a command could not be confined: " + base::describe(ran->status) + " " + ran->err
                     : ran.error().describe();
    view.advice = ran ? "" : ran.error().advice();
    view.state = State::missing;
  }
  (void)base::remove_tree(code);
  (void)forget(name);
  facts.push_back(std::move(view));
  facts.push_back(firewall(identities_.is_root()));
  facts.push_back(network(try_networks()));
  facts.push_back(landlock());
  return facts;
}

}  // namespace environment
