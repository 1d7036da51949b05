// The mounts of a shared instance's root: what of the host it sees, and nothing else.
#pragma once

#include <vector>

#include "environment/spec.h"
#include "instance/plan.h"

namespace environment {

struct SystemView {
  const Parts& parts;
  View view = View::release;
  Identity user;
  std::filesystem::path home, cache;   // cache: builds only
  std::filesystem::path tmp, var_tmp;  // the instance's own, on disk: what is spooled there is not its memory
  std::uint64_t shm_bytes = 0;
  std::string group = {};  // the instance's control group: "serai-70000/shop-1"
  allocation::Limits limits = {};
  std::uint16_t port = 0;                           // Listen::tcp
  std::vector<std::uint16_t> localhost_ports = {};  // at which services of the host are named
};
// Everything but /app.
std::vector<instance::Mount> system_mounts(const SystemView& view);

// The instance's variables: what a login of the app's user would have, then the caller's.
Variables base_environment(const Parts& parts, const Variables& over);

}  // namespace environment
