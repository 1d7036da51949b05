// Starting `serai-instance` with a plan and following its report.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/child.h"
#include "instance/plan.h"

namespace environment {

struct Started {
  base::Child child;  // of a supervised instance: only the process that made the supervisor, which ends at once
  base::Fd report;    // lines as in instance/report.h
  base::Fd leash;     // Plan::once: closing it ends everything
};
// What the program gets besides its plan.
struct Descriptors {
  int listener = -1;
  int in = -1, out = -1, err = -1;  // Plan::once
  int nice = 0;                     // of all that is started, relative to 0
};
base::Result<Started> start_program(const std::string& program, const instance::Plan& plan,
                                    const Descriptors& descriptors);

// Reads report lines until the start is done; `on_step` is told of each step. The "ok" object.
base::Result<nlohmann::json> await_start(const base::Fd& report,
                                         const std::function<void(const std::string&)>& on_step);

}  // namespace environment
