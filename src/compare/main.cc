// serai-load: compare::run_load as a program, for benchmarks. Prints one JSON object; times are in milliseconds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "compare/load.h"

namespace {

using compare::Histogram;
using nlohmann::json;

double ms(Histogram::Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

json summary(const Histogram& histogram) {
  return {{"mean", ms(histogram.mean())},          {"p50", ms(histogram.quantile(0.5))},
          {"p90", ms(histogram.quantile(0.9))},    {"p99", ms(histogram.quantile(0.99))},
          {"p999", ms(histogram.quantile(0.999))}, {"max", ms(histogram.longest())}};
}

json report(const compare::LoadResult& result) {
  double seconds = std::max(result.seconds, 1e-9);
  return {{"answers", result.answers},
          {"failures", result.failures},
          {"seconds", result.seconds},
          {"rate", static_cast<double>(result.answers) / seconds},
          {"body_bytes", result.body_bytes},
          {"reconnects", result.reconnects},
          {"longest_line", result.longest_line},
          {"latency_ms", summary(result.latency)},
          {"service_ms", summary(result.service)},
          {"lateness_ms", summary(result.lateness)}};
}

std::chrono::nanoseconds seconds(double value) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(value * 1e9));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Asks an HTTP server, open-loop (--rate) or as fast as it answers, and prints how long that took.");
  compare::LoadPlan plan;
  std::string address;
  std::size_t body_bytes = 0;
  double duration = 10, warm_up = 0, patience = 10;
  bool constant = false;
  app.add_option("address", address, "127.0.0.1:8000 or unix:/path")->required();
  app.add_option("--path", plan.path);
  app.add_option("--host", plan.host);
  app.add_option("--method", plan.method);
  app.add_option("--body-bytes", body_bytes, "of each request");
  app.add_option("--status", plan.expected_status, "anything else is a failure");
  app.add_option("-c,--connections", plan.connections);
  app.add_option("-r,--rate", plan.rate, "requests per second in all; without it each connection asks again at once");
  app.add_flag("--constant", constant, "evenly spaced requests instead of Poisson arrivals");
  app.add_option("--seed", plan.seed);
  app.add_option("-d,--duration", duration, "seconds");
  app.add_option("--warm-up", warm_up, "seconds before what is counted");
  app.add_option("--patience", patience, "seconds after which an answer is given up");
  CLI11_PARSE(app, argc, argv);
  auto parsed = net::parse_address(address);
  if (parsed) plan.address = *parsed;
  plan.body.assign(body_bytes, 'x');
  plan.arrivals = constant ? compare::Arrivals::Kind::constant : compare::Arrivals::Kind::poisson;
  plan.duration = seconds(duration), plan.warm_up = seconds(warm_up), plan.patience = seconds(patience);
  auto result = parsed ? compare::run_load(plan) : std::unexpected(parsed.error());
  if (!result) {
    std::fprintf(stderr, "serai-load: %s\n", result.error().describe().c_str());
    return 1;
  }
  std::puts(report(*result).dump(1).c_str());
  return result->failed() == 0 ? 0 : 2;
}
