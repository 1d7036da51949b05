// The edge's limits as options of `serai edge` and of `serai daemon`, which gives them to the edge that it starts.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "edge/options.h"

namespace cli {

// What was said, by option; a count or seconds.
using EdgeLimits = std::map<std::string, double>;

void add_edge_limits(CLI::App& command, EdgeLimits& limits);
void apply(const EdgeLimits& limits, edge::Options& options);
// As arguments of `serai edge`.
std::vector<std::string> arguments(const EdgeLimits& limits);

}  // namespace cli
