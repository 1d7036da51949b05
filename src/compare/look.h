// compare::look_at: what a server answers to a request, asked a few times in a row. The reference that a load is
// verified against.
#pragma once

#include <cstdint>
#include <optional>

#include "compare/load.h"

namespace compare {

struct Answers {
  int status = 0;
  std::optional<std::uint64_t> bytes, digest;  // of the body; empty: not the same each time
};

// Asks what the plan asks `count` times, one after another, whatever it expects. Fails when an answer does not come, or
// when the status is not the same each time. Owns its event loop; use it on a thread that has none.
base::Result<Answers> look_at(const LoadPlan& plan, unsigned count);

}  // namespace compare
