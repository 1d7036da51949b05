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
  std::filesystem::path home, cache;  // cache: builds only
  std::uint64_t tmp_bytes = 0;
};
// Everything but /app.
std::vector<instance::Mount> system_mounts(const SystemView& view);

// The instance's variables: what a login of the app's user would have, then the caller's.
Variables base_environment(const Parts& parts, const Variables& over);

}  // namespace environment
