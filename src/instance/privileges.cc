#include "instance/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace instance {
namespace {

base::Result<void> drop_capabilities() {
  for (int capability = 0; capability <= 63; capability++) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
      return base::errno_error("drop a capability from the bounding set");
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return {};
}

base::Result<void> clear_capability_sets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  if (::syscall(SYS_capset, &header, none) < 0) return base::errno_error("give up all capabilities");
  return {};
}

base::Result<void> limit(__rlimit_resource resource, rlim_t soft, rlim_t hard, const char* what) {
  rlimit now{};
  ::getrlimit(resource, &now);
  rlimit wanted{std::min(soft, now.rlim_max), std::min(hard, now.rlim_max)};
  if (::setrlimit(resource, &wanted) < 0) return base::errno_error(fmt::format("limit {}", what));
  return {};
}

}  // namespace

base::Result<void> become_user(uid_t uid, gid_t gid) {
  bool privileged = ::geteuid() == 0 || ::geteuid() != uid;
  if (auto dropped = drop_capabilities(); !dropped && privileged) return dropped;
  // A user namespace with one mapped uid forbids setgroups (user_namespaces(7)); there are no groups to lose there.
  if (privileged && ::setgroups(0, nullptr) < 0) return base::errno_error("give up supplementary groups");
  if (::setresgid(gid, gid, gid) < 0) return base::errno_error(fmt::format("become group {}", gid));
  if (::setresuid(uid, uid, uid) < 0) return base::errno_error(fmt::format("become user {}", uid));
  if (auto cleared = clear_capability_sets(); !cleared) return cleared;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return base::errno_error("forbid new privileges");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return base::errno_error("hide the process");
  return {};
}

base::Result<void> limit_resources() {
  auto limited = limit(RLIMIT_NOFILE, 16384, 65536, "open files");
  if (limited) limited = limit(RLIMIT_CORE, 0, 0, "core files");
  if (limited) limited = limit(RLIMIT_MEMLOCK, 8 << 20, 8 << 20, "locked memory");
  if (limited) limited = limit(RLIMIT_MSGQUEUE, 819200, 819200, "message queues");
  return limited;
}

bool is_confined() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  if (::syscall(SYS_capget, &header, sets) < 0) return false;
  for (const auto& set : sets)
    if (set.effective | set.permitted | set.inheritable) return false;
  constexpr int kFiltered = 2;  // SECCOMP_MODE_FILTER
  return ::geteuid() != 0 && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
         ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == kFiltered;
}

}  // namespace instance
