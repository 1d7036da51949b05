#include "instance/system_calls.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

#include "base/fd.h"
#include "instance/allowed_calls.h"

namespace instance {
namespace {

using Context = std::unique_ptr<void, decltype(&::seccomp_release)>;

// The kernel takes these arguments as 32-bit numbers and ignores what a caller puts above.
constexpr std::uint64_t kInt = 0xFFFFFFFF;
constexpr std::uint64_t kNewTime = 0x80;  // CLONE_NEWTIME; for clone(2) these bits are the signal at the end
constexpr std::uint64_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

// What a process may set for itself. Left out: memory layout and merging, system call dispatch, core scheduling, the
// time stamp counter and secure bits, which ordinary programs do not touch.
constexpr unsigned kProcessOptions[] = {PR_SET_PDEATHSIG,
                                        PR_GET_PDEATHSIG,
                                        PR_GET_DUMPABLE,
                                        PR_SET_DUMPABLE,
                                        PR_GET_KEEPCAPS,
                                        PR_SET_KEEPCAPS,
                                        PR_GET_TIMING,
                                        PR_SET_TIMING,
                                        PR_SET_NAME,
                                        PR_GET_NAME,
                                        PR_GET_SECCOMP,
                                        PR_SET_SECCOMP,
                                        PR_CAPBSET_READ,
                                        PR_CAPBSET_DROP,
                                        PR_GET_TSC,
                                        PR_GET_SECUREBITS,
                                        PR_SET_TIMERSLACK,
                                        PR_GET_TIMERSLACK,
                                        PR_SET_CHILD_SUBREAPER,
                                        PR_GET_CHILD_SUBREAPER,
                                        PR_SET_NO_NEW_PRIVS,
                                        PR_GET_NO_NEW_PRIVS,
                                        PR_GET_TID_ADDRESS,
                                        PR_SET_THP_DISABLE,
                                        PR_GET_THP_DISABLE,
                                        PR_CAP_AMBIENT,
                                        PR_GET_SPECULATION_CTRL,
                                        PR_SET_SPECULATION_CTRL,
                                        PR_SET_VMA,
                                        PR_SET_PTRACER,
                                        0x41555856};  // PR_GET_AUXV
constexpr unsigned kLastProcessOption = 127;          // of those that are numbered through; there are 80 by now

// Ordinary Linux, without randomised addresses (debuggers), and the question which it is.
constexpr unsigned kPersonalities[] = {PER_LINUX, ADDR_NO_RANDOMIZE, 0xFFFFFFFF};

constexpr unsigned kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
constexpr unsigned kLastFamily = 63;  // beyond the kernel's last one
constexpr std::uint64_t kDccp = 33;

// ioctl_tty(2): characters as if typed by the user, the console's selection and messages, and line disciplines, which
// are drivers of modems and the like.
constexpr unsigned kTerminalRequests[] = {0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */, 0x541D /* TIOCCONS */,
                                          0x5423 /* TIOCSETD */};

bool is_in(std::span<const unsigned> list, unsigned number) { return std::ranges::find(list, number) != list.end(); }

// Collects rules; the program is refused if one of them was.
class Rules {
 public:
  explicit Rules(std::uint32_t otherwise) : context_(::seccomp_init(otherwise), &::seccomp_release) {
    good_ = context_ && ::seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
            // A binary tree instead of a chain: calls whose arguments matter run through the filter each time.
            ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
  }

  void add(std::uint32_t action, int call) { note(::seccomp_rule_add(context_.get(), action, call, 0)); }
  // When the argument's bits under the mask are `value`.
  void add_when(std::uint32_t action, int call, unsigned argument, std::uint64_t mask, std::uint64_t value) {
    scmp_arg_cmp equal{argument, SCMP_CMP_MASKED_EQ, mask, value};
    note(::seccomp_rule_add_array(context_.get(), action, call, 1, &equal));
  }
  void add_when(std::uint32_t action, int call, const std::vector<scmp_arg_cmp>& arguments) {
    note(::seccomp_rule_add_array(context_.get(), action, call, static_cast<unsigned>(arguments.size()),
                                  arguments.data()));
  }

  base::Result<std::vector<sock_filter>> program() const;

 private:
  void note(int done) { good_ = good_ && (done == 0 || done == -EDOM); }  // EDOM: this machine has no such call

  Context context_;
  bool good_ = false;
};

base::Result<std::vector<sock_filter>> Rules::program() const {
  if (!good_) return base::fail(base::Kind::internal, "prepare the system call filter: a rule was not accepted");
  base::Fd file(::memfd_create("system-calls", MFD_CLOEXEC));
  if (!file.is_open()) return base::errno_error("prepare the system call filter");
  if (int done = ::seccomp_export_bpf(context_.get(), file.get()); done < 0) {
    return std::unexpected(base::Error::from_errno("prepare the system call filter", -done));
  }
  auto size = ::lseek(file.get(), 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), static_cast<std::size_t>(size), 0) != size)
    return base::errno_error("prepare the system call filter");
  return program;
}

base::Result<std::vector<sock_filter>> filter_calls() {
  Rules rules(SCMP_ACT_ERRNO(ENOSYS));
  for (int call : kAllowedCalls) rules.add(SCMP_ACT_ALLOW, call);
  for (int call : kRefusedCalls) rules.add(SCMP_ACT_ERRNO(EPERM), call);
  for (unsigned option : kProcessOptions) rules.add_when(SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0, kInt, option);
  for (unsigned kind : kPersonalities) rules.add_when(SCMP_ACT_ALLOW, SCMP_SYS(personality), 0, kInt, kind);
  return rules.program();
}

void refuse_namespaces(Rules& rules) {
  for (std::uint64_t flag = 1; flag <= kNamespaces; flag <<= 1) {
    if (!((kNamespaces | kNewTime) & flag)) continue;
    rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 0, flag, flag);
    if (flag != kNewTime) rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 0, flag, flag);
  }
}

// AF_NETLINK serves getifaddrs(3), protocol 0 (route) only; netfilter's and others are refused. Of IP, protocols that
// the kernel would load a module for because somebody asks (SCTP, DCCP, L2TP ...): all numbers from 64 on, and DCCP's.
void refuse_sockets(Rules& rules) {
  for (unsigned family = 0; family <= kLastFamily; family++) {
    if (is_in(kFamilies, family)) continue;
    for (int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
      rules.add_when(SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 0, kInt, family);
  }
  for (std::uint64_t bit = 1; bit <= kInt; bit <<= 1) {
    rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket),
                   {{0, SCMP_CMP_MASKED_EQ, kInt, AF_NETLINK}, {2, SCMP_CMP_MASKED_EQ, bit, bit}});
  }
  for (std::uint64_t family : {AF_INET, AF_INET6}) {
    auto refuse = [&](std::uint64_t mask, std::uint64_t protocol) {
      rules.add_when(SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket),
                     {{0, SCMP_CMP_MASKED_EQ, kInt, family}, {2, SCMP_CMP_MASKED_EQ, mask, protocol}});
    };
    refuse(kInt, kDccp);
    for (std::uint64_t bit = 64; bit <= kInt; bit <<= 1) refuse(bit, bit);
  }
}

// FIFOs and sockets are an app's own business. Device nodes are not, among them 0:0, which anybody may make and
// overlays take for a deleted file.
void refuse_devices(Rules& rules) {
  for (std::uint64_t type : {S_IFCHR, S_IFBLK}) {
    rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mknod), 1, S_IFMT, type);
    rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mknodat), 2, S_IFMT, type);
  }
}

base::Result<std::vector<sock_filter>> filter_arguments() {
  Rules rules(SCMP_ACT_ALLOW);
  refuse_namespaces(rules);
  refuse_sockets(rules);
  refuse_devices(rules);
  for (unsigned request : kTerminalRequests) rules.add_when(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, kInt, request);
  // What the list of calls refuses anyway, with the answer of a kernel that lacks the option.
  for (unsigned option = 0; option <= kLastProcessOption; option++) {
    if (!is_in(kProcessOptions, option)) rules.add_when(SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 0, kInt, option);
  }
  return rules.program();
}

base::Result<void> install(std::vector<sock_filter>& filter) {
  sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
    return base::errno_error("install the system call filter");
  return {};
}

}  // namespace

base::Result<SystemCallFilter> make_system_call_filter() {
  auto calls = filter_calls();
  if (!calls) return std::unexpected(calls.error());
  auto arguments = filter_arguments();
  if (!arguments) return std::unexpected(arguments.error());
  return SystemCallFilter{std::move(*calls), std::move(*arguments)};
}

base::Result<void> filter_system_calls() {
  auto filter = make_system_call_filter();
  if (!filter) return std::unexpected(filter.error());
  auto installed = install(filter->calls);
  if (installed) installed = install(filter->arguments);  // where both refuse, the later one says with which error
  return installed;
}

}  // namespace instance
