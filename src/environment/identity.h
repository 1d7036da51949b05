// environment::Identities: the users of one root. Each root has a range of uids of its own, reserved host-wide under a
// lock; each app, the edge and the supervisors have one uid (and the gid of the same number) of it. Nothing is written
// to /etc/passwd. Without root everybody is the caller.
//
// The ranges start at 0x70000000, which systemd's UIDS-GIDS.md lists as unused by distributions and by systemd.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "environment/layout.h"

namespace environment {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct UidRange {
  uid_t first = 0, last = 0;
};

class Identities {
 public:
  // Reserves the root's range the first time; ROOT/identities.json remembers it. `registry` is host-wide.
  static base::Result<Identities> open(Layout layout, std::filesystem::path registry = "/var/lib/serai-uid-ranges");

  Identity edge() const;        // may connect to the instances' sockets
  Identity supervisor() const;  // owns the logs
  UidRange apps() const;        // what apps are given
  // The app's own; claimed the first time and kept until `release`.
  base::Result<Identity> claim(const std::string& app);
  base::Result<void> release(const std::string& app);
  // A short name, different for each root on this host: for cgroups and firewall tables ("serai-70000").
  std::string host_name() const;
  // The same as a number; 0 without root. For interfaces of instances' networks.
  std::uint32_t number() const { return base_ >> 12; }
  // Gives the range back, for a root that is about to be removed.
  base::Result<void> give_up_range();
  bool is_root() const { return base_ != 0; }

 private:
  Layout layout_;
  std::filesystem::path registry_;
  uid_t base_ = 0;  // 0: not root, everybody is the caller
};

}  // namespace environment
