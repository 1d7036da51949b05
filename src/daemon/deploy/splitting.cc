// Deploys: a second place of an app's release, which gets a part of the requests.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/deploy/deploys.h"
#include "daemon/deploy/mover.h"
#include "daemon/limit_hits.h"

namespace control_plane {
namespace {

using environment::Kind;

struct Shares {
  std::optional<Kind> second;  // none: all is for the app's own kind
  int percent = 0;             // of the second
};

base::Error wrong(const std::string& app, const std::string& what) {
  return base::Error(base::Kind::invalid, fmt::format("split the requests of {}: {}", app, what),
                     fmt::format("for example `serai split {} container=10`", app));
}

Result<Shares> shares_of(const std::string& app, Kind own, const std::map<Kind, int>& percents) {
  Shares shares;
  int sum = 0;
  for (auto [kind, percent] : percents) {
    if (percent < 0 || percent > 100) return std::unexpected(wrong(app, fmt::format("{} % is no share", percent)));
    sum += percent;
    if (kind == own || percent == 0) continue;
    if (shares.second)
      return std::unexpected(
          wrong(app, fmt::format("its own kind, {}, and one other can have a share", to_string(own))));
    shares = {kind, percent};
  }
  if (percents.empty()) return std::unexpected(wrong(app, "nothing says how"));
  if (sum > 100 || (sum < 100 && percents.contains(own)))
    return std::unexpected(wrong(app, fmt::format("the shares are {} % together", sum)));
  return shares;
}

Deploy split_record(const std::string& app, Kind kind, int percent) {
  Deploy record;
  record.id = new_id();
  record.app = app;
  record.kind = DeployKind::split;
  record.started_at = now();
  record.target = kind;
  record.percent = percent;
  return record;
}

}  // namespace

Result<std::string> Deploys::split(const std::string& app, const std::map<Kind, int>& percents) {
  auto placement = placement_of(app);
  if (!placement) return std::unexpected(placement.error());
  auto shares = shares_of(app, placement->kind, percents);
  if (!shares) return std::unexpected(shares.error());
  if (!shares->second) return end_split(app);
  if (shares->percent == 100) return move(app, *shares->second);
  if (placement->instance.empty()) {
    return std::unexpected(base::Error(base::Kind::conflict, fmt::format("{} is stopped", app),
                                       fmt::format("start it first: serai start {}", app)));
  }
  auto runnable = load_runnable(services_, *placement);
  if (!runnable) return std::unexpected(runnable.error());
  if (runnable->details.config.web.kind == app::WebProcess::Kind::none)
    return base::fail(base::Kind::conflict, "{} has no web process: there are no requests to split", app);
  if (takes_turns(placement->kind) || takes_turns(*shares->second)) {
    return std::unexpected(base::Error(
        base::Kind::unsupported,
        fmt::format(
            "{} cannot run in {} and {} at once: a virtual machine shares no data with another place while it runs",
            app, to_string(placement->kind), to_string(*shares->second)),
        "split between shared, dedicated and container, or use `serai move`"));
  }
  auto possible = services_.environment.check({app, *shares->second, limits_of(runnable->details.config)});
  if (!possible) return std::unexpected(possible.error());
  return begin_split(app, *shares->second, shares->percent);
}

Result<std::string> Deploys::restart_second(const std::string& app) {
  auto split = services_.store.find_split(app);
  if (!split) return std::unexpected(split.error());
  if (!*split) return base::fail(base::Kind::conflict, "the requests of {} are not split", app);
  return begin_split(app, (*split)->kind, (*split)->percent);
}

Result<std::string> Deploys::begin_split(const std::string& app, Kind kind, int percent) {
  return begin(split_record(app, kind, percent), [this](Journal& journal) { return give_share(journal); });
}

// A second place of this kind that runs is kept, and only its share changed.
Result<void> Deploys::give_share(Journal& journal) {
  const auto& record = journal.record();
  auto split = services_.store.find_split(record.app);
  if (!split) return std::unexpected(split.error());
  auto found = *split && (*split)->kind == record.target
                   ? services_.environment.inspect((*split)->instance)
                   : base::Result<environment::Inspection>(base::not_found("there is no such place"));
  if (!found || found->state != environment::InstanceState::running) return launch_placed(journal);
  (*split)->percent = record.percent;
  if (auto set = services_.store.set_split(**split); !set) return set;
  if (auto applied = services_.routes.apply(); !applied) return applied;
  journal.succeed({{"event", "done"},
                   {"text", fmt::format("{} gets {} % of the requests", to_string((*split)->kind), record.percent)}});
  return {};
}

Result<std::string> Deploys::end_split(const std::string& app) {
  auto split = services_.store.find_split(app);
  if (!split) return std::unexpected(split.error());
  if (!*split) return base::fail(base::Kind::conflict, "the requests of {} are not split", app);
  return begin(split_record(app, (*split)->kind, 0), [this](Journal& journal) { return end_split(journal); });
}

// First that it has no place any more, then the deed: a new daemon ends instances that nobody placed.
Result<void> Deploys::end_split(Journal& journal) {
  const auto& app = journal.record().app;
  auto split = services_.store.find_split(app);
  if (!split) return std::unexpected(split.error());
  if (!*split) return base::fail(base::Kind::conflict, "the requests of {} are not split any more", app);
  if (auto removed = services_.store.remove_split(app); !removed) return removed;
  if (auto applied = services_.routes.apply(); !applied) return applied;
  Mover(services_, journal).drain((*split)->instance);
  journal.succeed({{"event", "done"}, {"text", "all requests go to one place again"}});
  return {};
}

}  // namespace control_plane
