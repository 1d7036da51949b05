#include "daemon/deploy/mover.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "daemon/deploy/alive.h"
#include "daemon/deploy/maker.h"
#include "daemon/limit_hits.h"
#include "environment/port.h"

namespace control_plane {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettle{1'000};  // without a web process: how long the processes must live

std::string new_instance_id(const std::string& app, int release) {
  return fmt::format("{}-r{}-{}", app, release, new_id().substr(0, 4));
}

// "r6", or "r6 in shared" when the other place is of another kind.
std::string described(int release, environment::Kind kind, environment::Kind other) {
  return kind == other ? fmt::format("r{}", release) : fmt::format("r{} in {}", release, to_string(kind));
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

}  // namespace

net::Address address_of(const environment::Instance& instance) {
  if (instance.port != 0) return net::TcpAddress{instance.address, instance.port};
  return net::UnixAddress{instance.socket.string()};
}

Result<Runnable> load_runnable(const Services& services, const std::string& app, int number) {
  auto release = services.store.find_release(app, number);
  if (!release) return std::unexpected(release.error());
  if (!*release) {
    return std::unexpected(base::Error(base::Kind::not_found, fmt::format("{} has no release r{}", app, number),
                                       fmt::format("see `serai releases {}`", app)));
  }
  auto details = ReleaseDetails::from_text((*release)->config);
  if (!details) return std::unexpected(details.error());
  auto values = read_env_file(services.paths.env(app), (*release)->env_version);
  if (!values) return std::unexpected(values.error());
  return Runnable{.app = app,
                  .kind = environment::Kind::shared,
                  .code = services.paths.code(app, (*release)->folder),
                  .venv = services.paths.venv((*release)->build),
                  .details = std::move(*details),
                  .values = std::move(*values)};
}

Result<Runnable> load_runnable(const Services& services, const Placement& placement) {
  auto runnable = load_runnable(services, placement.app, placement.release);
  if (runnable) runnable->kind = placement.kind;
  return runnable;
}

Result<void> Mover::move() {
  if (auto launched = launch(); !launched) {
    if (old_stopped_) bring_old_back();
    if (std::exchange(holding_, false)) services_.routes.resume(journal_.record().app);
    return launched;
  }
  if (auto switched = switch_over(); !switched) return switched;
  return finish();
}

Result<void> Mover::launch() {
  auto& record = journal_.record();
  if (auto begun = journal_.begin("launch"); !begun) return begun;
  auto runnable = load_runnable(services_, record.app, record.release);
  if (!runnable) return std::unexpected(runnable.error());
  runnable_ = std::move(*runnable);
  journal_.keep_secrets(runnable_.values);
  before_ = services_.front.traffic(record.app).value_or(Traffic{});
  if (auto found = find_instances_to_replace(); !found) return found;
  if (!record.target) record.target = former_ ? former_->kind : environment::Kind::shared;
  runnable_.kind = *record.target;
  if (record.kind == DeployKind::split) runnable_.details.config.processes.clear();
  record.instance = new_instance_id(record.app, record.release);
  if (auto saved = journal_.save(); !saved) return saved;
  auto possible = services_.environment.check({record.app, runnable_.kind, limits_of(runnable_.details.config)});
  if (!possible) return possible;
  if (auto made = make_room(); !made) return made;
  environment::Launch launch;
  auto instance = start_instance(record.instance, record.release, launch);
  if (instance) return wait_for_instance(*instance);
  if (launch.steps().empty()) return std::unexpected(instance.error());
  journal_.keep_output(app::Stage::launch, launch.steps().back().output);
  return base::wrap(instance.error(), launch.steps().back().name);
}

Result<environment::Instance> Mover::start_instance(const std::string& id, int release, environment::Launch& launch) {
  std::uint16_t port = 0;
  if (listen_of(runnable_.details.config.web) == environment::Listen::tcp) {
    auto free = environment::free_port();
    if (!free) return std::unexpected(free.error());
    port = *free;
  }
  auto spec = instance_spec(runnable_, services_.tools, id, port);
  if (!spec) return std::unexpected(spec.error());
  Instance instance{id, runnable_.app, release, InstanceState::starting, now()};
  instance.kind = runnable_.kind;
  auto added = services_.store.add_instance(instance);
  if (!added) return std::unexpected(added.error());
  return services_.environment.start(*spec, launch);
}

Result<void> Mover::find_instances_to_replace() {
  auto& record = journal_.record();
  auto placement = services_.store.find_placement(record.app);
  auto split = services_.store.find_split(record.app);
  if (!placement || !split) return std::unexpected(placement ? split.error() : placement.error());
  former_ = *placement;
  auto first = former_ ? former_->instance : "", second = *split ? (*split)->instance : "";
  record.old_instance = record.kind == DeployKind::split ? second : first;
  bool ends_split = record.kind != DeployKind::split && record.kind != DeployKind::restart;  // as Store::commit_switch
  ended_second_ = ends_split ? second : "";
  return {};
}

// Why the old instance must stop before the new one starts; empty when both may run. Files written beside the code,
// outside the kept folders, are adopted when an instance stops; a new one started before would not see them. And some
// kinds of environment do not share an app's data with another instance at the same time.
std::string Mover::why_in_turn() const {
  if (!former_ || former_->instance.empty()) return {};
  auto written = services_.environment.unadopted(former_->instance);
  if (!written) return {};  // an instance that is gone has nothing to wait for
  if (!written->empty()) return "written beside the code, kept from now on: " + joined(*written);
  if (takes_turns(former_->kind)) return "its virtual machine stopped before the new instance started";
  if (takes_turns(runnable_.kind)) return "the old instance stopped before the virtual machine started";
  return {};
}

Result<void> Mover::make_room() {
  auto why = why_in_turn();
  if (why.empty()) return {};
  if (journal_.record().kind != DeployKind::split) return hold_and_stop_old(why);
  return std::unexpected(base::Error(
      base::Kind::conflict,
      fmt::format("{} cannot run in two places now: what it wrote beside its code is not kept yet", former_->app),
      fmt::format("run `serai restart {}`: from then on both places see it", former_->app)));
}

// While the edge holds the requests.
Result<void> Mover::hold_and_stop_old(const std::string& why) {
  const auto& record = journal_.record();
  services_.routes.hold(record.app);
  holding_ = true;
  if (auto applied = services_.routes.apply(); !applied) return applied;
  old_stopped_ = true;
  for (const auto& old : {ended_second_, record.old_instance}) {
    if (old.empty()) continue;
    // First that it ends on purpose: the watcher must not take it for a loss.
    if (auto set = services_.store.set_instance_state(old, InstanceState::draining); !set) return set;
    if (auto adopted = services_.environment.stop(old); !adopted) return std::unexpected(adopted.error());
  }
  journal_.note(why);
  return {};
}

// The new instance failed in its turn: the old release runs again before requests go on. If even that fails, the
// placement still names the stopped instance, and the watcher goes on trying.
void Mover::bring_old_back() {
  if (auto back = start_old_again(); !back) {
    base::log(base::Level::error, "deploy.bring_back",
              {{"app", journal_.record().app}, {"error", back.error().describe()}},
              "the old release does not start; trying again");
  }
}

Result<void> Mover::start_old_again() {
  const auto& record = journal_.record();
  if (auto gone = services_.environment.destroy(record.instance); !gone) return gone;
  auto placement = services_.store.find_placement(record.app);
  if (!placement) return std::unexpected(placement.error());
  if (!*placement) return {};
  auto runnable = load_runnable(services_, **placement);
  if (!runnable) return std::unexpected(runnable.error());
  runnable_ = std::move(*runnable);
  auto id = new_instance_id(record.app, (*placement)->release);
  environment::Launch launch;
  auto instance = start_instance(id, (*placement)->release, launch);
  if (!instance) return std::unexpected(instance.error());
  LaunchWatch watch(services_.paths, id);
  if (auto ready = wait_until_ready(*instance, watch); !ready) return std::unexpected(ready.error());
  (*placement)->instance = id;
  if (auto set = services_.store.set_placement(**placement); !set) return set;
  if (auto set = services_.store.set_instance_state(id, InstanceState::running); !set) return set;
  if (auto gone = services_.environment.destroy(record.old_instance); !gone) return gone;
  return services_.store.remove_instance(record.old_instance);
}

Result<void> Mover::wait_for_instance(const environment::Instance& instance) {
  LaunchWatch watch(services_.paths, instance.id);
  auto ready = wait_until_ready(instance, watch);
  if (ready) {
    journal_.done(ready->text, ready->note);
    return {};
  }
  (void)watch.check();
  if (!watch.output().empty()) journal_.keep_output(app::Stage::launch, watch.output());
  return std::unexpected(ready.error());
}

Result<Mover::Ready> Mover::wait_until_ready(const environment::Instance& instance, LaunchWatch& watch) {
  const auto& web = runnable_.details.config.web;
  if (web.kind == app::WebProcess::Kind::none) {
    for (auto end = std::chrono::steady_clock::now() + kSettle; std::chrono::steady_clock::now() < end;) {
      if (auto alive = watch.check(); !alive) return std::unexpected(alive.error());
      std::this_thread::sleep_for(milliseconds(50));
    }
    return Ready{fmt::format("{} · background processes", to_string(runnable_.kind)), ""};
  }
  auto hosts = services_.routes.hosts(runnable_.app, runnable_.details.config);
  if (!hosts) return std::unexpected(hosts.error());
  HealthCheck check{address_of(instance), hosts->front(), web.health.empty() ? "/" : web.health, web.health_timeout};
  auto healthy = wait_until_healthy(check, [&] { return watch.check(); });
  if (!healthy) return std::unexpected(healthy.error());
  (void)watch.check();
  auto kind = web.kind == app::WebProcess::Kind::own ? "own server"
              : watch.workers() > 0 ? fmt::format("{} worker{}", watch.workers(), watch.workers() == 1 ? "" : "s")
                                    : "engine";
  return Ready{fmt::format("{} · {}", to_string(runnable_.kind), kind),
               fmt::format("first answer ({}) after {}", healthy->status, duration_text(journal_.since_begin()))};
}

Result<void> Mover::switch_over() {
  auto& record = journal_.record();
  if (auto begun = journal_.begin("switch"); !begun) return begun;
  record.switched = true;
  if (auto committed = services_.store.commit_switch(record); !committed) {
    record.switched = false;
    return committed;
  }
  services_.routes.resume(record.app);
  holding_ = false;
  // Past the commit there is no way back: a front that does not answer now gets the table when it does.
  if (auto applied = services_.routes.apply(); !applied) {
    base::log(base::Level::error, "deploy.switch", {{"app", record.app}, {"error", applied.error().describe()}},
              "the edge did not take the new routes");
  }
  auto after = services_.front.traffic(record.app).value_or(before_);
  journal_.done(fmt::format("{}, {} requests served meanwhile, {} failed", change_text(),
                            after.requests - before_.requests, after.failed - before_.failed));
  return {};
}

std::string Mover::change_text() const {
  const auto& record = journal_.record();
  bool had_one = former_ && former_->release;
  auto old_kind = had_one ? former_->kind : runnable_.kind;
  auto to = described(record.release, runnable_.kind, old_kind);
  if (record.kind == DeployKind::split) return fmt::format("{} gets {} % of the requests", to, record.percent);
  return (had_one ? described(former_->release, old_kind, runnable_.kind) + " → " : "") + to;
}

Result<void> Mover::finish() {
  drain_old();
  tell_done();
  return {};
}

// The instance that was replaced, and that of a split which ended with it.
void Mover::drain_old() {
  std::vector<std::string> old;
  for (const auto& instance : {journal_.record().old_instance, ended_second_})
    if (!instance.empty()) old.push_back(instance);
  if (old.empty()) return;
  if (auto begun = journal_.begin("drain"); !begun) return;
  for (const auto& instance : old) drain(instance);
}

void Mover::drain(const std::string& instance) {
  record_hits(services_, journal_.record().app, instance);
  auto adopted = services_.environment.stop(instance);
  if (adopted && !adopted->folders.empty()) journal_.note("kept from now on: " + joined(adopted->folders));
  if (adopted && !adopted->discarded.empty()) {
    journal_.note("changes to release files were not kept: " + joined(adopted->discarded));
  }
  auto gone = services_.environment.destroy(instance);
  if (gone) gone = services_.store.remove_instance(instance);
  if (!gone) {
    base::log(base::Level::warning, "deploy.drain", {{"instance", instance}, {"error", gone.error().describe()}},
              "the old instance left something behind; the next start of the daemon tries again");
  }
}

void Mover::tell_done() {
  const auto& record = journal_.record();
  auto details =
      runnable_.app.empty() ? load_runnable(services_, record.app, record.release) : Result<Runnable>(runnable_);
  std::vector<std::string> urls;
  if (details) urls = services_.routes.urls(record.app, details->details.config).value_or(urls);
  bool has_web = details && details->details.config.web.kind != app::WebProcess::Kind::none;
  auto where = has_web && !urls.empty() ? "Live at " + urls[0] : "Running";
  journal_.succeed({{"event", "done"},
                    {"release", record.release},
                    {"environment", to_string(record.target.value_or(environment::Kind::shared))},
                    {"urls", urls},
                    {"text", fmt::format("{}   logs: serai logs {} -f", where, record.app)}});
}

}  // namespace control_plane
