// POST /v1/apps/{app}/run: a one-off command in a fresh view of the live release. The client's three descriptors ride
// on the request; the answer comes when the command has ended.
#include <nlohmann/json.hpp>

#include "daemon/api/resources.h"
#include "daemon/deploy/mover.h"

namespace control_plane::api {
namespace {

constexpr std::chrono::hours kTimeLimit{24};

// As a shell would say it: 128 + N for signal N.
int exit_code(const base::ExitStatus& status) {
  if (auto exited = std::get_if<base::Exited>(&status)) return exited->code;
  return 128 + std::get<base::Signaled>(status).signal;
}

Result<json> run(Resources& resources, Exchange& exchange, const std::string& app) {
  auto body = exchange.read_json();
  if (!body) return body;
  auto argv = body->value("argv", std::vector<std::string>{});
  if (argv.empty() || argv[0].empty()) return base::invalid("run a command: none was given");
  auto& descriptors = exchange.descriptors();
  if (descriptors.size() != 3) return base::invalid("run a command: the request must carry three descriptors");
  auto use = resources.deploys.use(app);
  if (!use) return std::unexpected(use.error());
  auto placement = find_placement(resources, app);
  if (!placement) return std::unexpected(placement.error());
  auto runnable = load_runnable(resources.services, *placement);
  if (!runnable) return std::unexpected(runnable.error());
  auto spec = run_spec(*runnable, resources.services.tools, environment::View::release, std::move(argv));
  spec.timeout = kTimeLimit;
  spec.stdin_fd = descriptors[0].get();
  spec.stdout_fd = descriptors[1].get();
  spec.stderr_fd = descriptors[2].get();
  spec.caller_fd = exchange.descriptor();  // also shut down when the daemon ends
  spec.terminal = body->value("terminal", false);
  auto result = resources.services.environment.run_once(spec);
  descriptors.clear();
  if (!result) return base::wrap(result.error(), "run a command of " + app);
  return json{{"exit_code", exit_code(result->status)}, {"out_of_memory", result->out_of_memory}};
}

}  // namespace

void add_run(Router& router, Resources& resources) {
  router.add("POST", "/v1/apps/{app}/run", [&](Exchange& exchange, const Parameters& at) {
    return run(resources, exchange, at.find("app")->second);
  });
}

}  // namespace control_plane::api
