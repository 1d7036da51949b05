// compare::Comparison: one release, placed in several kinds of environment, started and loaded in turns. Talks to the
// daemon through a client::Trial, which the caller holds; what it starts ends with that.
//
// In each round every placement has one turn: all others stand still, and it gets the same requests at the same rate
// from a generator on another CPU. The first kind is placed twice: what these two differ by is noise.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "client/trial.h"
#include "compare/generator.h"
#include "compare/plan.h"

namespace compare {

struct Start {
  bool is_cold = false;
  std::vector<std::pair<std::string, double>> stages;  // in ms, in order
  double total() const;                                // ms, until the first good answer
};

struct Round {
  unsigned number = 0;  // from 0
  Sample sample;
  double cpu_us = 0;  // of the whole instance, per answer
};

// One kind of environment as it was measured.
struct Cell {
  std::string kind, placement, furnished;
  bool is_emulated = false;
  LoadPlan load;
  std::vector<Start> starts;
  std::vector<Round> rounds;
  std::uint64_t anonymous = 0, proportional = 0;  // bytes, after the load
  unsigned processes = 0;
  std::vector<std::pair<std::string, bool>> walls;
};

// How each answer was checked, from strict to lenient: what all placements answer alike decides.
enum class Check { body, length, status };
std::string_view to_string(Check check);
base::Result<Check> parse_check(std::string_view text);

struct Outcome {
  Plan plan;  // with the rate that was used
  std::string app, host;
  int release = 0;
  Check checked = Check::body;
  int status = 0;
  std::optional<std::uint64_t> bytes;  // of every answer
  int app_cpu = -1, generator_cpu = -1;
  std::vector<Cell> cells;  // one per kind
  Cell twin;                // the first one's
  struct Excluded {
    std::string kind, reason;
  };
  std::vector<Excluded> excluded;
  std::vector<std::string> warnings;
};

class Comparison {
 public:
  // `tell` is called with what is being done now, for people.
  Comparison(const client::Trial& trial, Plan plan, std::optional<Check> check,
             std::function<void(const std::string&)> tell);
  base::Result<Outcome> run();

 private:
  base::Result<void> choose_kinds();
  base::Result<void> start_all();
  base::Result<void> start(Cell& cell, bool is_cold, bool is_last);
  base::Result<void> place_twin();
  base::Result<void> find_references();
  base::Result<void> refuse(const Cell& cell, const Answers& answers);
  base::Result<void> find_rate();
  base::Result<void> run_rounds();
  base::Result<void> run_turn(Cell& cell, unsigned round);
  base::Result<void> give_turn(const Cell& cell);
  base::Result<double> cpu_of(const Cell& cell);
  base::Result<void> observe_all();
  void judge();
  std::vector<Cell*> all();

  const client::Trial& trial_;
  std::optional<Check> wanted_;
  std::function<void(const std::string&)> tell_;
  Generator generator_;
  Outcome outcome_;
};

}  // namespace compare
