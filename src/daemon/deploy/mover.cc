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

net::Address address_of(const environment::Instance& instance) {
  if (instance.port != 0) return net::TcpAddress{"127.0.0.1", instance.port};
  return net::UnixAddress{instance.socket.string()};
}

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
  auto placement = services_.store.find_placement(record.app);
  if (!placement) return std::unexpected(placement.error());
  record.old_instance = *placement ? (*placement)->instance : "";
  if (!record.target) record.target = *placement ? (*placement)->kind : environment::Kind::shared;
  runnable_.kind = *record.target;
  record.instance = new_instance_id(record.app, record.release);
  if (auto saved = journal_.save(); !saved) return saved;
  auto possible = services_.environment.check({record.app, runnable_.kind, limits_of(runnable_.details.config)});
  if (!possible) return possible;
  if (auto held = hold_and_stop_old(); !held) return held;
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

// Files written beside the code, outside the kept folders, are adopted when an instance stops; a new one started before
// would not see them. So the first time that happens the instances take turns, while the edge holds the requests.
Result<void> Mover::hold_and_stop_old() {
  const auto& record = journal_.record();
  if (record.old_instance.empty()) return {};
  auto written = services_.environment.unadopted(record.old_instance);
  if (!written || written->empty()) return {};  // an instance that is gone has nothing to wait for
  services_.routes.hold(record.app);
  holding_ = true;
  if (auto applied = services_.routes.apply(); !applied) return applied;
  // First that it ends on purpose: the watcher must not take it for a loss.
  if (auto set = services_.store.set_instance_state(record.old_instance, InstanceState::draining); !set) return set;
  old_stopped_ = true;
  auto adopted = services_.environment.stop(record.old_instance);
  if (!adopted) return std::unexpected(adopted.error());
  journal_.note("written beside the code, kept from now on: " + joined(*written));
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
  auto old = services_.store.find_placement(record.app);
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
  bool had_one = old && *old && (*old)->release;
  auto old_kind = had_one ? (*old)->kind : runnable_.kind;
  auto from = had_one ? described((*old)->release, old_kind, runnable_.kind) + " → " : "";
  auto to = described(record.release, runnable_.kind, old_kind);
  journal_.done(fmt::format("{}{}, {} requests served meanwhile, {} failed", from, to,
                            after.requests - before_.requests, after.failed - before_.failed));
  return {};
}

Result<void> Mover::finish() {
  if (!journal_.record().old_instance.empty()) {
    if (auto begun = journal_.begin("drain"); !begun) return begun;
    drain_old();
  }
  tell_done();
  return {};
}

void Mover::drain_old() {
  const auto& record = journal_.record();
  record_hits(services_, record.app, record.old_instance);
  auto adopted = services_.environment.stop(record.old_instance);
  if (adopted && !adopted->folders.empty()) journal_.note("kept from now on: " + joined(adopted->folders));
  if (adopted && !adopted->discarded.empty()) {
    journal_.note("changes to release files were not kept: " + joined(adopted->discarded));
  }
  auto gone = services_.environment.destroy(record.old_instance);
  if (gone) gone = services_.store.remove_instance(record.old_instance);
  if (!gone) {
    base::log(base::Level::warning, "deploy.drain",
              {{"instance", record.old_instance}, {"error", gone.error().describe()}},
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
