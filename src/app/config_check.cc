#include "app/config_check.h"

#include <algorithm>
#include <array>

#include "app/schema.h"
#include "app/text.h"

namespace app {
namespace {

class Checker {
 public:
  explicit Checker(const Config& config) : config_(config) {}

  base::Result<void> run() {
    check_names();
    check_web();
    check_kind();
    check_places();
    if (config_.limits.cpu) check("allocation.cpu", *config_.limits.cpu);
    if (config_.limits.memory) check("allocation.memory", Bytes{*config_.limits.memory});
    if (config_.limits.nice) check("allocation.nice", *config_.limits.nice);
    if (config_.limits.io_weight) check("allocation.io_weight", *config_.limits.io_weight);
    check("routes.hosts", config_.hosts);
    check("routes.paths", config_.paths);
    if (mistake_) return std::unexpected(*mistake_);
    return {};
  }

 private:
  void check_names() {
    check("name", config_.name);
    for (const auto& process : config_.processes) check("processes." + process.name, process.command, process.name);
    for (const auto& [name, value] : config_.env) check("env." + name, Variable{Variable::Kind::plain, value}, name);
    for (const auto& [name, rule] : config_.secrets) check("env." + name, rule, name);
  }

  void check_web() {
    const auto& web = config_.web;
    if (!web.health.empty()) check("web.health", web.health);
    check("web.health_timeout", web.health_timeout);
    check("web.request_timeout", web.request_timeout);
    check("web.websocket_timeout", web.websocket_timeout);
    check("web.graceful_timeout", web.graceful_timeout);
    if (web.max_in_flight) check("web.max_in_flight", *web.max_in_flight);
    if (web.workers) check("web.workers", std::int64_t{*web.workers});
    if (web.threads) check("web.threads", std::int64_t{*web.threads});
    for (const auto& [prefix, folder] : config_.static_files) check("web.static." + prefix, folder, prefix);
    check_inside("the web process's folder", web.folder);
    check_inside("the web process's app_dir", web.app_dir);
  }

  void check_kind() {
    auto choices = split(find_setting("environment.kind")->choices, ' ');
    bool known = config_.kind.empty() || std::ranges::find(choices, config_.kind) != choices.end();
    if (!known) fail("environment.kind", "is no kind of environment");
    if (!config_.network.empty() && config_.network != "host") fail("environment.network", "is no kind of network");
    check("environment.services", config_.services);
    if (!config_.base.empty()) check("environment.base", config_.base);
  }

  void check_places() {
    for (const auto& phases : {config_.build_phases, config_.release_phases})
      for (const auto& phase : phases) check_inside("a phase's folder", phase.folder);
    for (const auto& paths : {config_.data_folders, config_.data_files})
      for (const auto& path : paths) check_inside("data", path);
  }

  void check(const std::string& path, const Value& value, std::string_view key = {}) {
    const auto* setting = find_setting(path);
    if (!setting) return fail(path, "is no setting");  // a name that is empty
    auto problem = setting->check ? setting->check(key, value) : std::nullopt;
    if (problem) fail(path, *problem);
  }

  void check_inside(std::string_view what, const std::string& path) {
    std::string inside;
    if (!normalize_inside(path, inside) || inside != path)
      fail(what, fmt::format("\"{}\" is not inside the app", path));
  }

  void fail(std::string_view what, std::string_view problem) {
    if (!mistake_) mistake_ = base::Error(base::Kind::invalid, fmt::format("{} {}", what, problem));
  }

  const Config& config_;
  std::optional<base::Error> mistake_;
};

}  // namespace

base::Result<void> check_config(const Config& config) { return Checker(config).run(); }

}  // namespace app
