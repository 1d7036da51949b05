// confine: runs a program as the processes of a running instance run, with one layer of the confinement taken away, to
// show that an attack succeeds then (tests/attack). What it does is done by the product's own functions.
//
//   confine PID UID WITHOUT GROUPS PROGRAM [ARGUMENT…]
//
// PID is a process of the instance and UID its user. WITHOUT is a list, separated by commas, of: view, pid, ipc, uts,
// cgroup (the namespace), net, victims_net (as net, in the words of who starts this in another app's network), group,
// limits, privileges, no_new_privs (the user alone is taken on, and set-uid programs work), scope (Landlock), filter,
// all. GROUPS are the files by which the instance's control groups are entered, separated by commas.
//
// What the program mounts or names stays its own: it always has mounts, and a host name, of which nobody sees a change.
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fd.h"
#include "instance/privileges.h"
#include "instance/scope.h"
#include "instance/system_calls.h"

namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (std::size_t comma; !list.empty(); list.remove_prefix(std::min(list.size(), comma + 1))) {
    comma = std::min(list.find(','), list.size());
    parts.emplace_back(list.substr(0, comma));
  }
  return parts;
}

[[noreturn]] void give_up(const std::string& what) {
  std::perror(("confine: " + what).c_str());
  std::exit(125);
}

void must(const base::Result<void>& done) {
  if (done) return;
  fmt::print(stderr, "confine: {}\n", done.error().describe());
  std::exit(125);
}

class Confinement {
 public:
  Confinement(std::string pid, uid_t uid, std::vector<std::string> without)
      : pid_(std::move(pid)), uid_(uid), without_(std::move(without)) {}

  void enter_groups(const std::vector<std::string>& entrances) {
    if (!has("group")) return;
    for (const auto& entrance : entrances) {
      auto file = base::open(entrance, O_WRONLY);
      if (!file || !base::write_all(file->get(), "0")) give_up("enter " + entrance);
    }
  }
  void open_namespaces() {
    for (auto [layer, name] : {std::pair{"ipc", "ipc"},
                               {"uts", "uts"},
                               {"cgroup", "cgroup"},
                               {"net", "net"},
                               {"pid", "pid"},
                               {"view", "mnt"}})
      if (has(layer) && (std::string_view(layer) != "net" || has("victims_net"))) namespaces_.push_back(opened(name));
  }
  void enter_namespaces() {
    for (const auto& name : namespaces_)
      if (::setns(name.get(), 0) < 0) give_up("enter a namespace");
    if (::unshare(CLONE_NEWNS | (has("uts") ? 0 : CLONE_NEWUTS)) < 0) give_up("make namespaces");
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) give_up("make the mounts private");
    if (::chdir("/") < 0) give_up("enter the root");
  }
  void give_up_rights() {
    if (has("limits")) must(instance::limit_resources());
    if (has("scope")) must(instance::keep_to_itself());
    if (has("privileges") && has("no_new_privs")) {
      must(instance::become_user(uid_, uid_));
    } else if (has("privileges")) {
      if (has("filter")) must(instance::filter_system_calls());  // as root: it takes a right, or no_new_privs
      if (::setgroups(0, nullptr) < 0 || ::setresgid(uid_, uid_, uid_) < 0 || ::setresuid(uid_, uid_, uid_) < 0)
        give_up("become the user");
    }
    if (has("filter") && has("no_new_privs")) must(instance::filter_system_calls());
  }

 private:
  bool has(const std::string& layer) const {
    return std::ranges::none_of(without_, [&](const auto& gone) { return gone == layer || gone == "all"; });
  }
  base::Fd opened(const std::string& name) {
    auto file = base::open("/proc/" + pid_ + "/ns/" + name, O_RDONLY);
    if (!file) give_up("open a namespace of " + pid_);
    return std::move(*file);
  }

  std::string pid_;
  uid_t uid_;
  std::vector<std::string> without_;
  std::vector<base::Fd> namespaces_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) {
    fmt::print(stderr, "usage: confine PID UID WITHOUT GROUPS PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  Confinement confinement(arguments[1], static_cast<uid_t>(std::stoul(arguments[2])), split(arguments[3]));
  confinement.enter_groups(split(arguments[4]));
  confinement.open_namespaces();
  confinement.enter_namespaces();
  pid_t child = ::fork();  // the first process in the pid namespace that was entered
  if (child == 0) {
    confinement.give_up_rights();
    ::execv(arguments[5], arguments + 5);
    give_up(std::string("run ") + arguments[5]);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) < 0) give_up("start a process");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
