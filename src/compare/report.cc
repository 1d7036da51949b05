#include "compare/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "compare/statistics.h"

namespace compare {
namespace {

using nlohmann::json;

struct Metric {
  const char* name;
  double (*of)(const Round&);
};

constexpr Metric kMetrics[] = {
    {"p50_ms", [](const Round& round) { return round.sample.p50; }},
    {"p99_ms", [](const Round& round) { return round.sample.p99; }},
    {"cpu_us_per_request", [](const Round& round) { return round.cpu_us; }},
};

// In the order of the rounds, whatever turn each was.
std::vector<double> values(const Cell& cell, const Metric& metric) {
  std::vector<double> values;
  for (const auto& round : cell.rounds) values.push_back(metric.of(round));
  return values;
}

json to_json(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return {{"estimate", interval->estimate}, {"low", interval->low}, {"high", interval->high}};
}

std::string_view text_of(Verdict verdict) {
  constexpr std::string_view names[] = {"less", "more", "none"};
  return names[static_cast<std::size_t>(verdict)];
}

json noise_of(const Outcome& outcome) {
  json noise = json::object();
  for (const auto& metric : kMetrics) {
    auto ratio = ratio_of(values(outcome.twin, metric), values(outcome.cells.front(), metric));
    noise[metric.name] = ratio ? json{{"floor", noise_floor(*ratio)}, {"ratio", to_json(ratio)}} : json();
  }
  return noise;
}

// How the kind differs from the first one, beyond the noise.
json differences(const Outcome& outcome, const Cell& cell, const json& noise) {
  json found = json::object();
  for (const auto& metric : kMetrics) {
    auto ratio = ratio_of(values(cell, metric), values(outcome.cells.front(), metric));
    if (!ratio || noise[metric.name].is_null()) continue;
    const double floor = noise[metric.name]["floor"];
    found[metric.name] = {{"ratio", to_json(ratio)}, {"verdict", text_of(verdict_of(*ratio, floor))}};
  }
  return found;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

json to_json(const Start& start) {
  json stages = json::array();
  for (const auto& [stage, length] : start.stages) stages.push_back({{"stage", stage}, {"ms", length}});
  return {{"cold", start.is_cold}, {"total_ms", start.total()}, {"stages", stages}};
}

// The medians, stage by stage, in the order of the first one.
json stages_of(const Cell& cell) {
  json stages = json::array();
  for (const auto& [name, length_of_first] : cell.starts.front().stages) {
    std::vector<double> cold, warm;
    for (const auto& start : cell.starts)
      for (const auto& [stage, length] : start.stages)
        if (stage == name) (start.is_cold ? cold : warm).push_back(length);
    stages.push_back({{"stage", name}, {"cold_ms", median(std::move(cold))}, {"warm_ms", median(std::move(warm))}});
  }
  return stages;
}

json start_of(const Cell& cell) {
  std::vector<double> cold, warm;
  json all = json::array();
  for (const auto& start : cell.starts) {
    (start.is_cold ? cold : warm).push_back(start.total());
    all.push_back(to_json(start));
  }
  return {{"cold_ms", median(std::move(cold))},
          {"warm_ms", median(warm)},
          {"warm_longest_ms", std::ranges::max(warm)},
          {"stages", stages_of(cell)},
          {"all", all}};
}

json to_json(const Round& round) {
  const auto& sample = round.sample;
  return {{"round", round.number},
          {"answers", sample.answers},
          {"seconds", sample.seconds},
          {"p50_ms", sample.p50},
          {"p99_ms", sample.p99},
          {"longest_ms", sample.longest},
          {"cpu_us_per_request", round.cpu_us},
          {"generator_late_p99_ms", sample.lateness_p99},
          {"generator_cpu", sample.generator_share}};
}

json rounds_of(const Cell& cell) {
  json rounds = json::array();
  for (const auto& round : cell.rounds) rounds.push_back(to_json(round));
  return rounds;
}

json isolation_of(const Cell& cell) {
  json walls = json::array();
  std::size_t standing = 0;
  for (const auto& [wall, stands] : cell.walls) {
    walls.push_back({{"wall", wall}, {"stands", stands}});
    standing += stands;
  }
  // What the attack suite found on this host is kept nowhere yet.
  return {{"standing", standing}, {"walls", walls}, {"attacked", nullptr}};
}

json to_json(const Outcome& outcome, const Cell& cell, const json& noise) {
  json value{
      {"environment", cell.kind},
      {"emulated", cell.is_emulated},
      {"furnished", cell.furnished},
      {"start", start_of(cell)},
      {"memory",
       {{"anonymous_bytes", cell.anonymous}, {"proportional_bytes", cell.proportional}, {"processes", cell.processes}}},
      {"isolation", isolation_of(cell)},
      {"rounds", rounds_of(cell)}};
  for (const auto& metric : kMetrics) value[metric.name] = to_json(interval_of(values(cell, metric)));
  if (&cell != &outcome.cells.front()) value["against_first"] = differences(outcome, cell, noise);
  return value;
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "an unknown processor";
}

json host() {
  utsname names{};
  ::uname(&names);
  return {{"cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"processor", processor()},
          {"memory_bytes",
           static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))},
          {"kernel", fmt::format("{} {}", names.sysname, names.release)},
          {"serai", base::version()}};
}

std::uint64_t answers_of(const Outcome& outcome) {
  std::uint64_t sum = 0;
  for (const auto& cell : outcome.cells)
    for (const auto& round : cell.rounds) sum += round.sample.answers;
  for (const auto& round : outcome.twin.rounds) sum += round.sample.answers;
  return sum;
}

}  // namespace

json to_json(const Outcome& outcome) {
  const auto& plan = outcome.plan;
  auto noise = noise_of(outcome);
  json environments = json::array(), excluded = json::array();
  for (const auto& cell : outcome.cells) environments.push_back(to_json(outcome, cell, noise));
  for (const auto& [kind, reason] : outcome.excluded) excluded.push_back({{"environment", kind}, {"reason", reason}});
  json verified{{"answers", answers_of(outcome)}, {"by", to_string(outcome.checked)}, {"status", outcome.status}};
  verified["bytes"] = outcome.bytes ? json(*outcome.bytes) : json();
  return {{"app", outcome.app},
          {"release", outcome.release},
          {"host", host()},
          {"plan",
           {{"path", plan.path},
            {"rate", plan.rate},
            {"rounds", plan.rounds},
            {"round_seconds", std::chrono::duration<double>(plan.round).count()},
            {"starts", plan.starts},
            {"cold_starts", plan.cold_starts},
            {"connections", plan.connections},
            {"seed", plan.seed},
            {"with_data", plan.with_data},
            {"app_cpu", outcome.app_cpu},
            {"generator_cpu", outcome.generator_cpu}}},
          {"verified", verified},
          {"noise", noise},
          {"noise_rounds", rounds_of(outcome.twin)},
          {"environments", environments},
          {"excluded", excluded},
          {"warnings", outcome.warnings}};
}

}  // namespace compare
