#include "cli/edge_limits.h"

#include <fmt/format.h>

#include <cmath>

namespace cli {
namespace {

struct Limit {
  const char* name;
  const char* help;
  bool is_time;  // in seconds; otherwise a whole number
  void (*set)(edge::Options&, double);
};

std::size_t whole(double value) { return static_cast<std::size_t>(value); }
edge::milliseconds time(double seconds) { return edge::milliseconds(std::llround(seconds * 1000)); }

constexpr Limit table[] = {
    {"--max-connections", "Clients at a time (default: what the descriptor limit leaves)", false,
     [](edge::Options& options, double value) { options.max_connections = whole(value); }},
    {"--max-connections-per-address",
     "Of one IPv4 address or IPv6 /64, unless it is a trusted proxy (default: a quarter of all)", false,
     [](edge::Options& options, double value) { options.max_connections_per_address = whole(value); }},
    {"--max-requests-per-app",
     "Requests in flight of one app that does not say web.max_in_flight (default: half of the connections)", false,
     [](edge::Options& options, double value) { options.max_requests_per_app = whole(value); }},
    {"--max-header-bytes", "Head of a request, 431 beyond (default: 32768)", false,
     [](edge::Options& options, double value) { options.limits.head_bytes = static_cast<std::uint32_t>(value); }},
    {"--header-timeout", "Seconds for the head of a request (default: 10)", true,
     [](edge::Options& options, double value) { options.timeouts.head = time(value); }},
    {"--body-timeout", "Seconds between two pieces of a body (default: 30)", true,
     [](edge::Options& options, double value) { options.timeouts.body_gap = time(value); }},
    {"--keep-alive-timeout", "Seconds without a request until a connection is closed (default: 60)", true,
     [](edge::Options& options, double value) { options.timeouts.keep_alive = time(value); }},
    {"--write-timeout", "Seconds in which a client takes nothing of its answer (default: 60)", true,
     [](edge::Options& options, double value) { options.timeouts.write = time(value); }},
};

constexpr double longest_time = 86'400, most = 1e9;

}  // namespace

void add_edge_limits(CLI::App& command, EdgeLimits& limits) {
  for (const Limit& limit : table) {
    auto put = [&limits, name = std::string(limit.name)](const double& value) { limits[name] = value; };
    auto* option = command.add_option_function<double>(limit.name, put, limit.help)->group("Limits of the edge");
    option->type_name(limit.is_time ? "SECONDS" : "N");
    // Without their descriptions, which would be longer than the option's.
    if (limit.is_time) {
      option->check(CLI::Range(0.1, longest_time).description(""));
    } else {
      option->check(CLI::Range(1.0, most).description(""))
          ->check(CLI::TypeValidator<std::uint64_t>("UINT").description(""));
    }
  }
}

void apply(const EdgeLimits& limits, edge::Options& options) {
  for (const Limit& limit : table)
    if (auto given = limits.find(limit.name); given != limits.end()) limit.set(options, given->second);
}

std::vector<std::string> arguments(const EdgeLimits& limits) {
  std::vector<std::string> all;
  for (const auto& [name, value] : limits) all.insert(all.end(), {name, fmt::format("{}", value)});
  return all;
}

}  // namespace cli
