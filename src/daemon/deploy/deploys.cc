#include "daemon/deploy/deploys.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/detect.h"
#include "app/release.h"
#include "base/log.h"
#include "daemon/collector.h"
#include "daemon/deploy/maker.h"
#include "daemon/deploy/mover.h"
#include "daemon/deploy/undo.h"

namespace control_plane {
namespace {

base::Error no_such_app(const std::string& app) {
  return base::Error(base::Kind::not_found, fmt::format("there is no app {}", app), "see `serai apps`");
}

Deploy new_record(const std::string& app, DeployKind kind) {
  Deploy record;
  record.id = new_id();
  record.app = app;
  record.kind = kind;
  record.started_at = now();
  return record;
}

void log_failure(const char* event, const std::string& app, const base::Error& error) {
  base::log(base::Level::error, event, {{"app", app}, {"error", error.describe()}},
            "will be tried again at the next start");
}

}  // namespace

Result<std::string> Deploys::begin(Deploy record, Work work) {
  std::lock_guard lock(mutex_);
  if (closed_) return base::fail(base::Kind::unavailable, "the daemon is stopping");
  reap();
  auto claimed = locks_.claim(record.app);
  if (!claimed) return std::unexpected(claimed.error());
  end_unjournaled(record.app);
  if (auto found = services_.store.find_app(record.app); found && *found && (*found)->destroying) {
    return std::unexpected(base::Error(base::Kind::conflict, fmt::format("{} is being destroyed", record.app),
                                       fmt::format("finish that first: serai destroy {}", record.app)));
  }
  if (auto added = services_.store.add_deploy(record); !added) return std::unexpected(added.error());
  auto& running = running_.emplace_back();
  running.thread = std::thread([this, &running, record, work = std::move(work), claim = std::move(*claimed)]() mutable {
    {
      auto held = std::move(claim);
      Journal journal(services_, record);
      carry_out(journal, work);
    }
    on_change_();
    running.ended = true;
  });
  return record.id;
}

// Deploys whose end could not be written (a full disk): nobody carries them out any more, since we hold the claim.
void Deploys::end_unjournaled(const std::string& app) {
  auto open = services_.store.running_deploys();
  if (!open) return;
  for (auto& deploy : *open) {
    if (deploy.app != app) continue;
    deploy.state = deploy.switched ? DeployState::succeeded : DeployState::failed;
    deploy.finished_at = now();
    (void)services_.store.update_deploy(deploy);
  }
}

void Deploys::carry_out(Journal& journal, const Work& work) {
  auto done = [&]() -> Result<void> {
    try {
      return work(journal);
    } catch (const std::exception& error) {
      return base::fail(base::Kind::internal, "{}", error.what());
    }
  }();
  if (done) {
    (void)collect(services_, journal.record().app);
    if (!journal.record().upload.empty()) (void)services_.trash.take(services_.paths.upload(journal.record().upload));
    return;
  }
  // Past the switch the new instance serves, and nothing is taken back.
  auto undone = journal.record().switched ? Result<void>{} : undo(services_, journal.record());
  if (!undone) log_failure("deploy.undo", journal.record().app, undone.error());
  (void)services_.routes.apply();
  journal.fail(done.error(), still_serving(journal.record()));
}

std::string Deploys::still_serving(const Deploy& record) {
  auto placement = services_.store.find_placement(record.app);
  if (!placement || !*placement || (*placement)->instance.empty()) return "";
  const auto& [app, release, instance, kind] = **placement;
  bool replaced = record.kind != DeployKind::split && !record.switched && !record.old_instance.empty() &&
                  record.old_instance != instance;
  if (replaced) return fmt::format("r{} had to stop for it, was started again and serves", release);
  auto found = services_.environment.inspect(instance);
  bool runs = found && found->state == environment::InstanceState::running;
  return fmt::format("r{} {}", release, runs ? "keeps serving" : "is not running and is started again");
}

Result<void> Deploys::add_app_if_new(const std::string& app) {
  auto found = services_.store.find_app(app);
  if (!found) return std::unexpected(found.error());
  if (*found) return {};
  return services_.store.add_app({app, now()});
}

Result<std::string> Deploys::deploy(const DeployRequest& request) {
  if (app::app_name_from(request.app) != request.app) {
    return std::unexpected(base::Error(
        base::Kind::invalid, fmt::format("\"{}\" is no name for an app", request.app),
        fmt::format("use lower-case letters, digits and dashes, for example {}", app::app_name_from(request.app))));
  }
  if (auto checked = check_variables(request.env); !checked) return std::unexpected(checked.error());
  auto record = new_record(request.app, DeployKind::deploy);
  record.upload = request.upload;
  return begin(record, [this, request](Journal& journal) { return make_and_move(journal, request); });
}

Result<void> Deploys::make_and_move(Journal& journal, const DeployRequest& request) {
  if (auto added = add_app_if_new(request.app); !added) return added;
  Maker maker(services_, journal, request);
  if (auto detected = maker.detect(); !detected) return detected;
  if (request.only_detect) {
    journal.publish({{"event", "detected"}, {"detection", app::to_json(maker.detection())}});
    auto undone = undo(services_, journal.record());
    journal.succeed({{"event", "done"}, {"text", "nothing was changed"}});
    return undone;
  }
  if (auto released = maker.release(); !released) return released;
  return Mover(services_, journal).move();
}

Result<Placement> Deploys::placement_of(const std::string& app) {
  auto placement = services_.store.find_placement(app);
  if (!placement) return std::unexpected(placement.error());
  if (!*placement) return std::unexpected(no_such_app(app));
  return **placement;
}

Result<std::string> Deploys::rollback(const std::string& app, int release) {
  auto placement = placement_of(app);
  auto releases = services_.store.releases(app);
  if (!placement || !releases) return std::unexpected(placement ? releases.error() : placement.error());
  auto is_target = [&](const Release& r) { return release ? r.number == release : r.number < placement->release; };
  auto target = std::ranges::find_if(*releases, is_target);
  if (target == releases->end()) {
    auto wanted = release ? fmt::format("release r{}", release) : "earlier release";
    return std::unexpected(
        base::Error(base::Kind::not_found, fmt::format("{} has no {}", app, wanted),
                    fmt::format("see `serai releases {}`; the last {} are kept", app, kKeptReleases)));
  }
  auto record = new_record(app, DeployKind::rollback);
  record.release = target->number;
  return begin(record, [this](Journal& journal) {
    journal.note("the release and its configuration come back; migrations and data are not undone");
    return Mover(services_, journal).move();
  });
}

Result<std::string> Deploys::restart(const std::string& app) {
  if (auto placement = placement_of(app); !placement) return std::unexpected(placement.error());
  return begin(new_record(app, DeployKind::restart), [this](Journal& journal) { return launch_placed(journal); });
}

// What is placed is looked up under the claim: a deploy may have ended since the request came.
Result<void> Deploys::launch_placed(Journal& journal) {
  auto placement = placement_of(journal.record().app);
  if (!placement) return std::unexpected(placement.error());
  journal.record().release = placement->release;
  return Mover(services_, journal).move();
}

Result<std::string> Deploys::start(const std::string& app) {
  auto placement = placement_of(app);
  if (!placement) return std::unexpected(placement.error());
  if (!placement->instance.empty()) return base::fail(base::Kind::conflict, "{} is running already", app);
  return begin(new_record(app, DeployKind::start), [this](Journal& journal) { return launch_placed(journal); });
}

Result<std::string> Deploys::move(const std::string& app, environment::Kind kind) {
  auto placement = placement_of(app);
  if (!placement) return std::unexpected(placement.error());
  if (placement->kind == kind)
    return base::fail(base::Kind::conflict, "{} is in the {} environment already", app, to_string(kind));
  if (placement->instance.empty()) {
    return std::unexpected(base::Error(base::Kind::conflict, fmt::format("{} is stopped", app),
                                       fmt::format("start it first: serai start {}", app)));
  }
  auto runnable = load_runnable(services_, *placement);
  if (!runnable) return std::unexpected(runnable.error());
  auto possible = services_.environment.check({app, kind, limits_of(runnable->details.config)});
  if (!possible) return std::unexpected(possible.error());
  auto record = new_record(app, DeployKind::move);
  record.target = kind;
  return begin(record, [this](Journal& journal) { return launch_placed(journal); });
}

Result<std::string> Deploys::change_env(const std::string& app, const Variables& set,
                                        const std::vector<std::string>& unset) {
  if (auto checked = check_variables(set); !checked) return std::unexpected(checked.error());
  if (auto values = changed_values(app, set, unset); !values) return std::unexpected(values.error());
  return begin(new_record(app, DeployKind::env), [this, app, set, unset](Journal& journal) -> Result<void> {
    auto values = changed_values(app, set, unset);  // again: another change may have ended since
    if (!values) return std::unexpected(values.error());
    if (auto released = release_with_env(journal, *values); !released) return released;
    return Mover(services_, journal).move();
  });
}

// The live release's values with these changes.
Result<Variables> Deploys::changed_values(const std::string& app, const Variables& set,
                                          const std::vector<std::string>& unset) {
  auto placement = placement_of(app);
  if (!placement) return std::unexpected(placement.error());
  auto runnable = load_runnable(services_, *placement);
  if (!runnable) return std::unexpected(runnable.error());
  auto values = std::move(runnable->values);
  for (const auto& [name, value] : set) values[name] = value;
  for (const auto& name : unset) {
    if (values.erase(name) == 0) return base::not_found("unset {}: {} has no such variable", name, app);
  }
  return values;
}

// The live release again, with another env set.
Result<void> Deploys::release_with_env(Journal& journal, Variables values) {
  auto& record = journal.record();
  if (auto begun = journal.begin("release"); !begun) return begun;
  journal.keep_secrets(values);
  auto placement = placement_of(record.app);
  if (!placement) return std::unexpected(placement.error());
  auto live = services_.store.find_release(record.app, placement->release);
  if (!live) return std::unexpected(live.error());
  if (!*live) return std::unexpected(no_such_app(record.app));
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back(name);
  auto version = services_.store.add_env_set(record.app, names);
  if (!version) return std::unexpected(version.error());
  if (auto written = write_env_file(services_.paths.env(record.app), *version, values); !written) return written;
  auto number = services_.store.next_release_number(record.app);
  if (!number) return std::unexpected(number.error());
  record.release = *number;
  if (auto saved = journal.save(); !saved) return saved;
  auto release = **live;
  auto details = ReleaseDetails::from_text(release.config);
  if (!details) return std::unexpected(details.error());
  release.digest = app::release_id({details->code_digest, release.build, details->interpreter.version.text(),
                                    details->config, names, static_cast<std::uint64_t>(*version)});
  release.number = *number;
  release.env_version = *version;
  release.created_at = now();
  if (auto added = services_.store.add_release(release); !added) return added;
  journal.done(fmt::format("r{}  {}", *number, app::short_id(release.digest)), "the live release with other variables");
  return {};
}

// Under the mutex.
void Deploys::reap() {
  for (auto running = running_.begin(); running != running_.end();) {
    if (!running->ended) {
      ++running;
      continue;
    }
    running->thread.join();
    running = running_.erase(running);
  }
}

void Deploys::wait() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  // Nobody adds to the list or reaps it any more.
  for (auto& running : running_)
    if (running.thread.joinable()) running.thread.join();
}

}  // namespace control_plane
