// compare::Generator: the load generator in a process of its own, on a CPU of its own and without rights, since what it
// reads comes from an app. Blocking; for processes that may fork (a command line, not a daemon).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "compare/load.h"
#include "compare/look.h"

namespace compare {

// What one run of a load found. Times in milliseconds.
struct Sample {
  std::uint64_t answers = 0, failed = 0;
  std::map<std::string, std::uint64_t> failures;
  double seconds = 0;
  double p50 = 0, p99 = 0, longest = 0;
  double lateness_p99 = 0;     // of sending where a connection was free: the generator's own slowness
  double generator_share = 0;  // of a CPU, that the generator used
};

class Generator {
 public:
  struct User {
    uid_t uid;
    gid_t gid;
  };
  // Who its processes become, if we are root; empty: they stay who we are.
  explicit Generator(std::optional<User> user) : user_(user) {}
  // The CPU that they run on; negative: any.
  void set_cpu(int cpu) { cpu_ = cpu; }

  base::Result<Sample> run(const LoadPlan& plan) const;
  base::Result<Answers> look(const LoadPlan& plan, unsigned count) const;

 private:
  // Does the work in a child and gives what it returned; the child dies with us.
  base::Result<nlohmann::json> in_child(const std::function<base::Result<nlohmann::json>()>& work,
                                        std::chrono::nanoseconds patience) const;
  bool become_small() const;

  std::optional<User> user_;
  int cpu_ = -1;
};

}  // namespace compare
