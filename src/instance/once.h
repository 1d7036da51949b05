// instance::run_once: one command in an instance of its own, with the caller's descriptors, to its end, its timeout or
// the end of whoever holds the leash.
#pragma once

#include "instance/plan.h"
#include "instance/report.h"

namespace instance {

int run_once(Plan plan, Report report);

}  // namespace instance
