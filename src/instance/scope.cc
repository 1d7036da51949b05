#include "instance/scope.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "base/fd.h"

namespace instance {
namespace {

constexpr long kFirstAbiWithScopes = 6;
constexpr unsigned kAskForVersion = 1;                       // LANDLOCK_CREATE_RULESET_VERSION
constexpr std::uint64_t kAbstractSockets = 1, kSignals = 2;  // LANDLOCK_SCOPE_…

// <linux/landlock.h> of today's distributions knows the first member only.
struct RulesetAttributes {
  std::uint64_t files = 0, network = 0, scoped = 0;
};

}  // namespace

bool can_keep_to_itself() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskForVersion) >= kFirstAbiWithScopes;
}

base::Result<void> keep_to_itself() {
  if (!can_keep_to_itself()) return {};
  RulesetAttributes attributes{.scoped = kAbstractSockets | kSignals};
  base::Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!ruleset.is_open() || ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) < 0)
    return base::errno_error("keep the instance's sockets and signals to itself");
  return {};
}

}  // namespace instance
