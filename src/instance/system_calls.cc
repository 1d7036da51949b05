#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "instance/privileges.h"

namespace instance {
namespace {

using Context = std::unique_ptr<void, decltype(&::seccomp_release)>;

constexpr std::uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

constexpr int kRefused[] = {
    // mounts and roots
    SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(open_tree),
    SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(setns), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
    // wide kernel surfaces that web applications do not need
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(fanotify_init),
    SCMP_SYS(kcmp), SCMP_SYS(vmsplice), SCMP_SYS(lookup_dcookie),
    // the machine
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(nfsservctl), SCMP_SYS(uselib),
    SCMP_SYS(ustat), SCMP_SYS(sysfs)};

bool refuse(void* context, int call, int error = EPERM) {
  int done = ::seccomp_rule_add(context, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, 0);
  return done == 0 || done == -EDOM;  // EDOM: this architecture has no such call
}

bool refuse_namespaces(void* context) {
  for (auto flag = std::uint64_t{1}; flag <= kNamespaces; flag <<= 1) {
    if (!(kNamespaces & flag)) continue;
    for (int call : {SCMP_SYS(unshare), SCMP_SYS(clone)})
      if (::seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), call, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)) != 0)
        return false;
  }
  return refuse(context, SCMP_SYS(clone3), ENOSYS);
}

// AF_NETLINK serves getifaddrs(3), protocol 0 (route) only; netfilter's and others are refused.
bool refuse_sockets(void* context) {
  for (unsigned family = 0; family < 64; family++) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK) continue;
    if (::seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family)) !=
        0)
      return false;
  }
  return ::seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                            SCMP_A2(SCMP_CMP_NE, 0)) == 0;
}

// Pushing characters into a terminal's input as if the user typed them (ioctl_tty(2), TIOCSTI and TIOCLINUX).
bool refuse_terminal_injection(void* context) {
  for (std::uint64_t request : {0x5412, 0x541C}) {
    if (::seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                           SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFF, request)) != 0)
      return false;
  }
  return true;
}

}  // namespace

base::Result<void> filter_system_calls() {
  Context context(::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release);
  if (!context) return base::fail(base::Kind::internal, "prepare the system call filter: out of memory");
  bool added = ::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
  // A binary tree instead of a chain: every system call of the app runs through the filter.
  added = added && ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
  for (int call : kRefused) added = added && refuse(context.get(), call);
  added = added && refuse_namespaces(context.get()) && refuse_sockets(context.get()) &&
          refuse_terminal_injection(context.get());
  if (!added) return base::fail(base::Kind::internal, "prepare the system call filter: a rule was not accepted");
  if (int failed = ::seccomp_load(context.get()); failed < 0) {
    return std::unexpected(base::Error::from_errno("install the system call filter", -failed));
  }
  return {};
}

}  // namespace instance
