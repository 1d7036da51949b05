// The filter's programs, run here instead of in the kernel: every call of the machine, and arguments that matter.
#include "instance/system_calls.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <regex>

#include "base/file.h"

#ifdef __x86_64__
namespace instance {
namespace {

constexpr std::uint32_t kX32 = 0x40000000;

struct Answer {
  std::uint32_t action = SECCOMP_RET_ALLOW;
  bool looks_at_arguments = false;
};

// Classic BPF as seccomp(2) has it: only what libseccomp makes of our rules.
Answer run(const std::vector<sock_filter>& program, const seccomp_data& call) {
  Answer answer;
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < program.size(); at++) {
    const auto& step = program[at];
    auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, sizeof accumulator);
        answer.looks_at_arguments |= step.k >= offsetof(seccomp_data, args);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(accumulator == step.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(accumulator > step.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(accumulator >= step.k);
        break;
      case BPF_RET | BPF_K:
        answer.action = step.k;
        return answer;
      default:
        ADD_FAILURE() << "an instruction that this test does not know: " << step.code;
        return answer;
    }
  }
  ADD_FAILURE() << "the filter does not end";
  return answer;
}

class SystemCallsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { filter_ = make_system_call_filter().value(); }

  // seccomp(2): the more restrictive action counts; of two errors the one of the filter that was installed later.
  static Answer ask(unsigned call, std::array<std::uint64_t, 6> arguments = {}, unsigned arch = AUDIT_ARCH_X86_64) {
    seccomp_data data{};
    data.nr = static_cast<int>(call);
    data.arch = arch;
    std::ranges::copy(arguments, data.args);
    auto first = run(filter_.calls, data), second = run(filter_.arguments, data);
    auto rank = [](std::uint32_t action) { return static_cast<std::int32_t>(action & SECCOMP_RET_ACTION_FULL); };
    return {rank(first.action) < rank(second.action) ? first.action : second.action,
            first.looks_at_arguments || second.looks_at_arguments};
  }
  static std::string word(std::uint32_t action) {
    if (action == SECCOMP_RET_ALLOW) return "allowed";
    if (action == SECCOMP_RET_KILL_PROCESS) return "killed";
    if ((action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO) return "?";
    return ::strerrorname_np(static_cast<int>(action & SECCOMP_RET_DATA));
  }
  static std::string says(unsigned call, std::array<std::uint64_t, 6> arguments = {}) {
    return word(ask(call, arguments).action);
  }
  static SystemCallFilter filter_;
};
SystemCallFilter SystemCallsTest::filter_;

// The machine's calls, from the kernel's headers.
std::map<unsigned, std::string> all_calls() {
  std::map<unsigned, std::string> calls;
  auto header = base::read_file("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
  if (!header) header = base::read_file("/usr/include/asm/unistd_64.h");
  std::regex line("#define __NR_([a-z0-9_]+) ([0-9]+)");
  auto text = header.value_or("");
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at)
    calls[static_cast<unsigned>(std::stoul((*at)[2]))] = (*at)[1];
  return calls;
}

// To accept a change, copy what the test printed.
TEST_F(SystemCallsTest, EveryCallIsAnsweredAsTheRecordSays) {
  std::string table;
  for (const auto& [number, name] : all_calls()) {
    auto answer = ask(number);
    table += fmt::format("{} {} {}\n", number, name, answer.looks_at_arguments ? "by argument" : word(answer.action));
  }
  auto record = base::read_file(SERAI_SYSTEM_CALLS_RECORD).value_or("");
  EXPECT_EQ(table, record.substr(record.find("0 read")));
}

TEST_F(SystemCallsTest, AtMostThreeHundredCallsPass) {
  int passing = 0;
  for (const auto& [number, name] : all_calls()) {
    auto answer = ask(number);
    passing += answer.looks_at_arguments || answer.action == SECCOMP_RET_ALLOW;
  }
  EXPECT_GT(passing, 200);
  EXPECT_LE(passing, 300);
}

TEST_F(SystemCallsTest, WhatKernelsToComeWillHaveIsUnknown) {
  auto known = all_calls();
  for (unsigned number = 0; number < 2048; number++)
    EXPECT_EQ(known.contains(number) ? "ENOSYS" : says(number), "ENOSYS") << number;
}

TEST_F(SystemCallsTest, TheOtherCallTablesKill) {
  for (const auto& [number, name] : all_calls()) {
    EXPECT_EQ(word(ask(number, {}, AUDIT_ARCH_I386).action), "killed") << name;
    EXPECT_EQ(says(number | kX32), "killed") << name;
  }
}

TEST_F(SystemCallsTest, NoFlagMakesANamespace) {
  for (std::uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
                             CLONE_NEWCGROUP, 0x80 /* CLONE_NEWTIME */}) {
    EXPECT_EQ(says(SYS_unshare, {flag}), "EPERM") << flag;
    EXPECT_EQ(says(SYS_unshare, {flag | CLONE_FILES}), "EPERM") << flag;
    // clone(2) has no such flag as the last: its lowest byte is a signal.
    EXPECT_EQ(says(SYS_clone, {flag | SIGCHLD}), flag == 0x80 ? "allowed" : "EPERM") << flag;
  }
  EXPECT_EQ(says(SYS_unshare, {CLONE_FILES | CLONE_FS}), "allowed");
  EXPECT_EQ(says(SYS_clone, {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD}), "allowed");
  EXPECT_EQ(says(SYS_clone, {SIGCHLD}), "allowed");
  EXPECT_EQ(says(SYS_clone3), "ENOSYS");
}

TEST_F(SystemCallsTest, OnlyFourFamiliesOfSocketsAreOpenedHoweverTheNumberIsWritten) {
  for (std::uint64_t high : {0ULL, 1ULL << 32, 0xFFFFFFFFULL << 32}) {
    for (std::uint64_t family = 0; family < 64; family++) {
      bool open = family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
      EXPECT_EQ(says(SYS_socket, {high | family, SOCK_STREAM}), open ? "allowed" : "EAFNOSUPPORT") << family;
    }
    for (std::uint64_t protocol : {4ULL /* sock_diag */, 9ULL, 12ULL /* netfilter */, 16ULL})
      EXPECT_EQ(says(SYS_socket, {high | AF_NETLINK, SOCK_RAW, high | protocol}), "EPERM") << protocol;
    EXPECT_EQ(says(SYS_socket, {high | AF_NETLINK, SOCK_RAW, high}), "allowed");
    for (unsigned protocol : {0, 1 /* ICMP */, 6 /* TCP */, 17 /* UDP */, 58 /* ICMPv6 */})
      EXPECT_EQ(says(SYS_socket, {high | AF_INET6, SOCK_STREAM, high | protocol}), "allowed") << protocol;
    for (unsigned protocol : {33 /* DCCP */, 115 /* L2TP */, 132 /* SCTP */, 136 /* UDP-Lite */, 262 /* MPTCP */})
      EXPECT_EQ(says(SYS_socket, {high | AF_INET, SOCK_DGRAM, high | protocol}), "EPROTONOSUPPORT") << protocol;
  }
}

TEST_F(SystemCallsTest, DeviceNodesAreNotMadeAndPipesAre) {
  for (unsigned type : {S_IFCHR, S_IFBLK}) {
    EXPECT_EQ(says(SYS_mknod, {0, type | 0600U}), "EPERM");
    EXPECT_EQ(says(SYS_mknodat, {0, 0, type | 0600U}), "EPERM");
  }
  for (unsigned type : {S_IFIFO, S_IFSOCK, S_IFREG, 0}) {
    EXPECT_EQ(says(SYS_mknod, {0, type | 0600U}), "allowed");
    EXPECT_EQ(says(SYS_mknodat, {0, 0, type | 0600U}), "allowed");
  }
}

TEST_F(SystemCallsTest, NothingIsTypedIntoATerminal) {
  for (std::uint64_t high : {0ULL, 1ULL << 32}) {
    for (std::uint64_t request : {0x5412, 0x541C, 0x541D, 0x5423})
      EXPECT_EQ(says(SYS_ioctl, {0, high | request}), "EPERM") << request;
    for (std::uint64_t request : {0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */, 0x541B /* FIONREAD */, 0x5421})
      EXPECT_EQ(says(SYS_ioctl, {0, high | request}), "allowed") << request;
  }
}

TEST_F(SystemCallsTest, OptionsOfAProcessAreAListToo) {
  for (unsigned option : {PR_SET_NAME, PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE})
    EXPECT_EQ(says(SYS_prctl, {option}), "allowed") << option;
  for (unsigned option : {PR_SET_MM, PR_SET_SECUREBITS, PR_SET_TSC, PR_SCHED_CORE, 59 /* syscall dispatch */, 67})
    EXPECT_EQ(says(SYS_prctl, {option}), "EINVAL") << option;
  EXPECT_EQ(says(SYS_prctl, {0x12345678}), "ENOSYS");
  EXPECT_EQ(says(SYS_personality, {0}), "allowed");
  EXPECT_EQ(says(SYS_personality, {0xFFFFFFFF}), "allowed");
  EXPECT_EQ(says(SYS_personality, {0x0400000 /* READ_IMPLIES_EXEC */}), "ENOSYS");
}

// In the kernel: every call that is refused, with arguments that would do no harm.
TEST_F(SystemCallsTest, TheKernelRefusesWhatTheRecordSays) {
  pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!filter_system_calls()) ::_exit(1);
    for (const auto& [number, name] : all_calls()) {
      auto answer = ask(number);
      if (answer.looks_at_arguments || answer.action == SECCOMP_RET_ALLOW) continue;
      errno = 0;
      long done = ::syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
      if (done != -1 || errno != static_cast<int>(answer.action & SECCOMP_RET_DATA)) ::_exit(2);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace instance
#endif
