#include "compare/comparison.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "net/address.h"

namespace compare {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr unsigned kReferenceAnswers = 5;
constexpr double kShareOfCapacity = 0.4;
constexpr auto kPilot = 500ms, kWarmUp = 200ms;
constexpr double kLatestShare = 0.7;   // of its CPU, beyond which the generator itself may be what is slow
constexpr double kLeastAnswers = 400;  // of a round, for a 99th percentile that says something
constexpr std::size_t kShownLines = 12;

std::optional<Generator::User> user_of(const json& facts) {
  if (!facts.contains("user")) return std::nullopt;
  return Generator::User{facts["user"].value("uid", uid_t{0}), facts["user"].value("gid", gid_t{0})};
}

Start start_of(const json& placed, bool is_cold) {
  Start start{.is_cold = is_cold, .stages = {}};
  for (const auto& stage : placed.value("stages", json::array()))
    start.stages.emplace_back(stage.value("stage", ""), stage.value("ms", 0.0));
  return start;
}

std::string failures_text(const Sample& sample) {
  std::string text;
  for (const auto& [reason, count] : sample.failures)
    text += fmt::format("{}{} × {}", text.empty() ? "" : ", ", count, reason);
  return text;
}

}  // namespace

double Start::total() const {
  double sum = 0;
  for (const auto& [stage, length] : stages) sum += length;
  return sum;
}

std::string_view to_string(Check check) {
  constexpr std::array<std::string_view, 3> names = {"body", "length", "status"};
  return names[static_cast<std::size_t>(check)];
}

base::Result<Check> parse_check(std::string_view text) {
  for (auto check : {Check::body, Check::length, Check::status})
    if (text == to_string(check)) return check;
  return base::invalid("\"{}\" is nothing to verify: body, length or status", text);
}

Comparison::Comparison(const client::Trial& trial, Plan plan, std::optional<Check> check,
                       std::function<void(const std::string&)> tell)
    : trial_(trial), wanted_(check), tell_(std::move(tell)), generator_(user_of(trial.facts())) {
  outcome_.plan = std::move(plan);
  outcome_.app = trial.facts().value("app", "");
  outcome_.host = trial.facts().value("host", "");
  outcome_.release = trial.facts().value("release", 0);
}

base::Result<Outcome> Comparison::run() {
  using Step = base::Result<void> (Comparison::*)();
  std::vector<Step> steps = {&Comparison::choose_kinds, &Comparison::start_all};
  if (outcome_.plan.rounds > 0)
    steps.insert(steps.end(), {&Comparison::place_twin, &Comparison::find_references, &Comparison::find_rate,
                               &Comparison::run_rounds});
  steps.push_back(&Comparison::observe_all);
  for (auto step : steps)
    if (auto done = (this->*step)(); !done) return std::unexpected(done.error());
  if (outcome_.plan.rounds > 0) judge();
  return std::move(outcome_);
}

std::vector<Cell*> Comparison::all() {
  std::vector<Cell*> cells;
  for (auto& cell : outcome_.cells) cells.push_back(&cell);
  cells.push_back(&outcome_.twin);
  return cells;
}

base::Result<void> Comparison::choose_kinds() {
  const auto& wanted = outcome_.plan.kinds;
  for (const auto& fact : trial_.facts().value("kinds", json::array())) {
    auto kind = fact.value("kind", "");
    bool is_wanted = std::ranges::find(wanted, kind) != wanted.end();
    if (fact.value("possible", false)) {
      if (wanted.empty() || is_wanted) outcome_.cells.emplace_back().kind = kind;
      continue;
    }
    if (is_wanted)
      return std::unexpected(base::Error(base::Kind::unsupported, fact.value("reason", ""), fact.value("advice", ""))
                                 .add_context("compare in " + kind));
    outcome_.excluded.push_back({kind, fact.value("reason", "")});
  }
  if (outcome_.cells.empty()) return base::fail(base::Kind::unsupported, "this host can do no kind of environment");
  return {};
}

// The first starts of each kind are cold, the last one stays.
base::Result<void> Comparison::start_all() {
  const auto& plan = outcome_.plan;
  auto order = turns(outcome_.cells.size(), plan.starts, plan.seed);
  for (unsigned round = 0; round < plan.starts; round++)
    for (auto index : order[round])
      if (auto done = start(outcome_.cells[index], round < plan.cold_starts, round + 1 == plan.starts); !done)
        return done;
  return {};
}

base::Result<void> Comparison::start(Cell& cell, bool is_cold, bool is_last) {
  tell_(fmt::format("starting in {}{}", cell.kind, is_cold ? ", cold" : ""));
  if (auto still = trial_.give_turn(""); !still) return std::unexpected(still.error());
  auto placed = trial_.place(cell.kind, is_cold);
  if (!placed) return std::unexpected(placed.error());
  cell.starts.push_back(start_of(*placed, is_cold));
  if (cell.furnished.empty()) cell.furnished = placed->value("furnished", "");
  if (!is_last) return trial_.remove(placed->value("placement", ""));
  cell.placement = placed->value("placement", "");
  cell.is_emulated = placed->value("emulated", false);
  auto address = net::parse_address(placed->value("address", ""));
  if (!address) return std::unexpected(address.error());
  cell.load.address = *address;
  cell.load.host = outcome_.host;
  cell.load.path = outcome_.plan.path;
  cell.load.connections = outcome_.plan.connections;
  return {};
}

base::Result<void> Comparison::place_twin() {
  outcome_.twin.kind = outcome_.cells.front().kind;
  return start(outcome_.twin, false, true);
}

base::Result<void> Comparison::give_turn(const Cell& cell) {
  auto turn = trial_.give_turn(cell.placement);
  if (!turn) return std::unexpected(turn.error());
  outcome_.app_cpu = turn->value("app_cpu", -1);
  outcome_.generator_cpu = turn->value("generator_cpu", -1);
  generator_.set_cpu(outcome_.generator_cpu);
  return {};
}

// What every placement answers to the same request, several times. The strictest check that all of them pass is the one
// that every answer under load has to pass.
base::Result<void> Comparison::find_references() {
  tell_("asking for reference answers");
  std::vector<Answers> references;
  for (auto* cell : all()) {
    if (auto given = give_turn(*cell); !given) return given;
    auto answers = generator_.look(cell->load, kReferenceAnswers);
    if (!answers) return base::wrap(answers.error(), "ask the app in " + cell->kind);
    if (answers->status >= 400) return refuse(*cell, *answers);
    references.push_back(*answers);
  }
  const auto& first = references.front();
  auto all_have = [&](auto has) { return std::ranges::all_of(references, has); };
  if (!all_have([&](const Answers& answers) { return answers.status == first.status; }))
    return base::fail(base::Kind::conflict, "GET {} has another status in another kind of environment",
                      outcome_.plan.path);
  auto possible = Check::status;
  if (all_have([&](const Answers& answers) { return answers.bytes && answers.bytes == first.bytes; }))
    possible =
        all_have([](const Answers& answers) { return answers.digest.has_value(); }) ? Check::body : Check::length;
  if (wanted_ && *wanted_ < possible)
    return std::unexpected(base::Error(
        base::Kind::conflict,
        fmt::format("GET {} is not answered with the same {} each time", outcome_.plan.path, to_string(*wanted_)),
        fmt::format("choose another --path, or --verify {}", to_string(possible))));
  outcome_.checked = wanted_.value_or(possible);
  outcome_.status = first.status;
  if (outcome_.checked != Check::status) outcome_.bytes = first.bytes;
  auto cells = all();
  for (std::size_t i = 0; i < cells.size(); i++) {
    cells[i]->load.expected_status = first.status;
    if (outcome_.checked != Check::status) cells[i]->load.expected_bytes = references[i].bytes;
    if (outcome_.checked == Check::body) cells[i]->load.expected_digest = references[i].digest;
  }
  return {};
}

base::Result<void> Comparison::refuse(const Cell& cell, const Answers& answers) {
  std::string printed;
  if (auto observed = trial_.observe(cell.placement)) {
    auto lines = observed->value("output", std::vector<std::string>{});
    std::size_t first = lines.size() > kShownLines ? lines.size() - kShownLines : 0;
    for (; first < lines.size(); first++) printed += "\n    | " + lines[first];
  }
  return std::unexpected(
      base::Error(base::Kind::conflict,
                  fmt::format("GET {} in {} was answered with {}: that is nothing to measure{}{}", outcome_.plan.path,
                              cell.kind, answers.status, printed.empty() ? "" : "; the app printed", printed),
                  "choose a path that works with --path, or repair the app first"));
}

// Closed: as fast as each placement answers, for a moment. It warms all of them up, too.
base::Result<void> Comparison::find_rate() {
  double weakest = 0;
  for (auto* cell : all()) {
    tell_("trying out " + cell->kind);
    if (auto given = give_turn(*cell); !given) return given;
    auto pilot = cell->load;
    pilot.duration = kPilot;
    auto sample = generator_.run(pilot);
    if (!sample) return base::wrap(sample.error(), "try out " + cell->kind);
    if (sample->failed > 0)
      return base::fail(base::Kind::conflict, "{} of {} answers in {} were wrong: {}", sample->failed,
                        sample->answers + sample->failed, cell->kind, failures_text(*sample));
    double rate = static_cast<double>(sample->answers) / std::max(sample->seconds, 1e-9);
    weakest = weakest > 0 ? std::min(weakest, rate) : rate;
  }
  if (outcome_.plan.rate == 0) outcome_.plan.rate = readable_rate(kShareOfCapacity * weakest);
  if (outcome_.plan.rate > 0.8 * weakest)
    outcome_.warnings.push_back(
        fmt::format("the weakest kind answers some {:.0f} requests per second at most: at {:g} "
                    "they wait in line, and that is what is seen",
                    weakest, outcome_.plan.rate));
  return {};
}

base::Result<void> Comparison::run_rounds() {
  const auto& plan = outcome_.plan;
  auto cells = all();
  auto order = turns(cells.size(), plan.rounds, plan.seed);
  for (unsigned round = 0; round < plan.rounds; round++)
    for (auto index : order[round]) {
      tell_(fmt::format("round {} of {}: {}", round + 1, plan.rounds, cells[index]->kind));
      if (auto done = run_turn(*cells[index], round); !done) return base::wrap(done.error(), cells[index]->kind);
    }
  return {};
}

base::Result<double> Comparison::cpu_of(const Cell& cell) {
  auto measured = trial_.measure(cell.placement);
  if (!measured) return std::unexpected(measured.error());
  return measured->value("cpu_ns", 0.0);
}

base::Result<void> Comparison::run_turn(Cell& cell, unsigned round) {
  if (auto given = give_turn(cell); !given) return given;
  auto load = cell.load;
  load.rate = outcome_.plan.rate;
  load.seed = outcome_.plan.seed + round;  // all placements of a round get their requests at the same moments
  load.duration = kWarmUp;
  if (auto warm = generator_.run(load); !warm) return std::unexpected(warm.error());
  load.duration = outcome_.plan.round;
  auto before = cpu_of(cell);
  auto sample = generator_.run(load);
  auto after = cpu_of(cell);
  if (!sample) return std::unexpected(sample.error());
  if (!before || !after) return std::unexpected(before ? after.error() : before.error());
  if (sample->failed > 0)
    return std::unexpected(base::Error(base::Kind::conflict,
                                       fmt::format("{} of {} answers were wrong: {}", sample->failed,
                                                   sample->answers + sample->failed, failures_text(*sample)),
                                       "choose another --path or a lower --rate, or a more lenient --verify"));
  if (sample->answers == 0)
    return std::unexpected(base::Error(base::Kind::conflict, "no request was due in a round",
                                       "choose a higher --rate, or more --seconds"));
  const double cpu_us = (*after - *before) / 1000 / static_cast<double>(sample->answers);
  cell.rounds.push_back({.number = round, .sample = std::move(*sample), .cpu_us = cpu_us});
  return {};
}

base::Result<void> Comparison::observe_all() {
  tell_("looking at memory and isolation");
  for (auto& cell : outcome_.cells) {
    if (auto given = give_turn(cell); !given) return given;
    auto observed = trial_.observe(cell.placement);
    if (!observed) return base::wrap(observed.error(), cell.kind);
    cell.anonymous = observed->value("anonymous_bytes", std::uint64_t{0});
    cell.proportional = observed->value("proportional_bytes", std::uint64_t{0});
    cell.processes = observed->value("processes", 0U);
    for (const auto& wall : observed->value("isolation", json::array()))
      cell.walls.emplace_back(wall.value("wall", ""), wall.value("stands", false));
  }
  return {};
}

// Whether these figures are the app's, or the generator's.
void Comparison::judge() {
  double busiest = 0, latest = 0, fewest = 0;
  for (const auto* cell : all())
    for (const auto& round : cell->rounds) {
      busiest = std::max(busiest, round.sample.generator_share);
      latest = std::max(latest, round.sample.lateness_p99);
      auto answers = static_cast<double>(round.sample.answers);
      fewest = fewest > 0 ? std::min(fewest, answers) : answers;
    }
  if (outcome_.app_cpu < 0)
    outcome_.warnings.emplace_back("app and generator share their CPUs: this host has one, or cannot keep them apart");
  if (busiest > kLatestShare)
    outcome_.warnings.push_back(
        fmt::format("the generator used {:.0f} % of its CPU: choose a lower --rate", busiest * 100));
  if (latest > 1)
    outcome_.warnings.push_back(fmt::format(
        "the generator was late by up to {:.1f} ms (99th percentile): something else runs on this host", latest));
  if (fewest < kLeastAnswers)
    outcome_.warnings.push_back(fmt::format(
        "rounds of {:.0f} answers say little of a 99th percentile: choose more --seconds or a higher --rate", fewest));
}

}  // namespace compare
