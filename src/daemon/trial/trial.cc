#include "daemon/trial/trial.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "daemon/api/log_reader.h"
#include "daemon/deploy/alive.h"
#include "daemon/deploy/mover.h"
#include "daemon/health.h"
#include "daemon/trial/page_cache.h"
#include "environment/port.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;
using environment::Kind;
using std::chrono::milliseconds;
using Clock = environment::Step::Clock;

constexpr const char* kReleaseFolder = "trial";
constexpr std::uint64_t kMostBytes = 1ULL << 30;  // of the code, and of the data
constexpr milliseconds kGrace{1000}, kRequestLimit{5000};
constexpr int kMostRefusals = 3;  // answers of 500 and above before a start has failed
constexpr std::size_t kOutputLines = 20;

Result<environment::Copied> copy_folder(const fs::path& from, const fs::path& to, environment::Identity owner) {
  auto source = base::open(from.string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!source) return std::unexpected(source.error());
  auto target = base::open(to.string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!target) return std::unexpected(target.error());
  return environment::copy_tree(*source, *target, owner, kMostBytes);
}

// The steps of a launch without gaps between them.
std::vector<Trial::Stage> stages_of(const environment::Launch& launch, Clock::time_point ended) {
  std::vector<Trial::Stage> stages;
  const auto& steps = launch.steps();
  for (std::size_t i = 0; i < steps.size(); i++)
    stages.push_back({steps[i].name, (i + 1 < steps.size() ? steps[i + 1].began : ended) - steps[i].began});
  return stages;
}

// When the engine said that it serves, by its supervisor's clock; empty: it is a program that says nothing.
std::optional<std::chrono::system_clock::time_point> ready_time(const environment::Layout& layout,
                                                                const std::string& id) {
  auto supervisor = environment::Supervisor::connect(layout, id);
  if (!supervisor || !supervisor->subscribe(0)) return std::nullopt;
  while (auto event = supervisor->next_event(milliseconds(5))) {
    auto message = event->value("message", nlohmann::json::object());
    if (event->value("event", "") != "server" || message.value("type", "") != "ready") continue;
    auto since_epoch = std::chrono::duration<double>(event->value("time", 0.0));
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
  }
  return std::nullopt;
}

// The user first and the folder last, since by the folder the next daemon finds what there is to remove.
Result<void> remove_trial(Services& services, const std::string& id) {
  if (auto forgotten = services.environment.forget(id); !forgotten) return forgotten;
  return services.trash.take(services.paths.app(id));
}

void warn(const std::string& trial, const base::Error& error) {
  base::log(base::Level::warning, "trial.remove", {{"trial", trial}, {"error", error.describe()}},
            "a trial left something behind; the next start of the daemon tries again");
}

}  // namespace

Result<std::unique_ptr<Trial>> Trial::begin(Services& services, const std::string& app, const TrialOptions& options) {
  std::unique_ptr<Trial> trial(new Trial(services, app, kTrialPrefix + new_id().substr(0, 6)));
  if (auto loaded = trial->load(); !loaded) return std::unexpected(loaded.error());
  if (auto copied = trial->copy(options); !copied) return std::unexpected(copied.error());
  return trial;
}

Result<void> Trial::load() {
  auto placement = services_.store.find_placement(app_);
  if (!placement) return std::unexpected(placement.error());
  if (!*placement)
    return std::unexpected(base::Error(base::Kind::not_found, fmt::format("there is no app {}", app_),
                                       "see `serai apps`, or deploy it first"));
  auto runnable = load_runnable(services_, **placement);
  if (!runnable) return std::unexpected(runnable.error());
  runnable_ = std::move(*runnable);
  release_ = (*placement)->release;
  if (runnable_.details.config.web.kind == app::WebProcess::Kind::none)
    return base::fail(base::Kind::unsupported, "{} has no web process that could be asked", app_);
  auto hosts = services_.routes.hosts(app_, runnable_.details.config);
  if (!hosts) return std::unexpected(hosts.error());
  host_ = hosts->front();
  return {};
}

// The folder comes first: by it the next daemon finds what there is to remove.
Result<void> Trial::copy(const TrialOptions& options) {
  const auto& paths = services_.paths;
  if (auto made = base::make_folders(paths.code(id_, kReleaseFolder)); !made) return made;
  auto user = services_.environment.prepare(id_);
  if (!user) return std::unexpected(user.error());
  auto code = copy_folder(runnable_.code, paths.code(id_, kReleaseFolder), *user);
  if (!code) return base::wrap(code.error(), "copy the release of " + app_);
  runnable_.app = id_;
  runnable_.code = paths.code(id_, kReleaseFolder);
  if (!options.with_data) return {};
  auto data = copy_folder(paths.data(app_), paths.data(id_), *user);
  if (!data)
    return std::unexpected(base::Error(data.error().kind(), data.error().describe(), "compare it --without-data")
                               .add_context("copy the data of " + app_));
  data_ = *data;
  if (!fs::exists(paths.kept_record(app_))) return {};
  auto kept = base::read_file(paths.kept_record(app_));
  if (!kept) return std::unexpected(kept.error());
  return base::write_file_atomically(paths.kept_record(id_), *kept, 0600);
}

// One CPU in every kind; what only dedicated apps may ask for, nobody else does.
allocation::Limits Trial::limits(Kind kind) const {
  auto limits = limits_of(runnable_.details.config);
  limits.cpu = 1;
  if (kind != Kind::dedicated) limits.nice = 0, limits.io_weight = 0;
  return limits;
}

std::vector<Trial::Possible> Trial::kinds() {
  std::vector<Possible> all;
  for (auto kind : environment::kAllKinds)
    all.push_back({kind, services_.environment.check({id_, kind, limits(kind)})});
  return all;
}

Result<environment::InstanceSpec> Trial::spec(Kind kind, const std::string& name) {
  std::uint16_t port = 0;
  if (listen_of(runnable_.details.config.web) == environment::Listen::tcp) {
    auto free = environment::free_port();
    if (!free) return std::unexpected(free.error());
    port = *free;
  }
  auto runnable = runnable_;
  runnable.kind = kind;
  auto spec = instance_spec(runnable, services_.tools, name, port);
  if (!spec) return spec;
  std::erase_if(spec->processes, [](const auto& process) { return !process.is_web; });
  spec->env["SERAI_APP"] = app_;
  spec->limits = limits(kind);
  spec->graceful_timeout = kGrace;
  return spec;
}

Result<Trial::Placed> Trial::place(Kind kind, PageCache page_cache) {
  std::lock_guard lock(mutex_);
  if (ended_) return base::fail(base::Kind::not_found, "the trial has ended");
  if (auto possible = services_.environment.check({id_, kind, limits(kind)}); !possible)
    return std::unexpected(possible.error());
  auto name = fmt::format("{}-{}", id_, ++count_);
  auto spec = this->spec(kind, name);
  if (!spec) return std::unexpected(spec.error());
  auto furnished = services_.environment.furnish(id_, kind, spec->parts);
  if (!furnished) return std::unexpected(furnished.error());
  if (page_cache == PageCache::dropped) drop_page_cache(kind);
  running_[name] = {.kind = kind};
  auto placed = start(*spec);
  if (placed) {
    placed->furnished = *furnished;
    return placed;
  }
  running_.erase(name);
  if (auto gone = services_.environment.destroy(name); !gone) warn(id_, gone.error());
  return base::wrap(placed.error(), fmt::format("start {} in {}", app_, to_string(kind)));
}

Result<Trial::Placed> Trial::start(const environment::InstanceSpec& spec) {
  environment::Launch launch;
  const auto begun = Clock::now();
  const auto clock_difference = std::chrono::system_clock::now().time_since_epoch() - begun.time_since_epoch();
  auto instance = services_.environment.start(spec, launch);
  if (!instance) return std::unexpected(instance.error());
  const auto started = Clock::now();
  auto answered = wait_for_answer(*instance);
  if (!answered) return std::unexpected(answered.error());
  Placed placed{
      .name = spec.id, .kind = spec.kind, .address = address_of(*instance), .stages = stages_of(launch, started)};
  auto from = started;
  if (auto ready = ready_time(services_.paths, spec.id)) {
    auto at = std::clamp(Clock::time_point(ready->time_since_epoch() - clock_difference), started, *answered);
    placed.stages.push_back({"import", at - started});
    from = at;
  }
  placed.stages.push_back({"answer", *answered - from});
  if (auto inspected = services_.environment.inspect(spec.id)) placed.is_emulated = inspected->is_emulated;
  return placed;
}

// The moment of the first answer below 500.
Result<Clock::time_point> Trial::wait_for_answer(const environment::Instance& instance) {
  const auto& web = runnable_.details.config.web;
  HealthCheck check{address_of(instance), host_, web.health.empty() ? "/" : web.health, web.health_timeout,
                    kRequestLimit};
  LaunchWatch watch(services_.paths, instance.id);
  const auto deadline = Clock::now() + check.time_limit;
  auto pause = milliseconds(1);
  for (int refusals = 0;;) {
    auto status = ask_once(check);
    const auto now = Clock::now();
    if (status && *status < 500) return now;
    if (ended_) return base::fail(base::Kind::disconnected, "the trial has ended");
    if (auto alive = watch.check(); !alive) return std::unexpected(alive.error());
    if (status && ++refusals == kMostRefusals)
      return base::fail(base::Kind::conflict, "GET {} was answered with {}", check.path, *status);
    if (now > deadline)
      return base::fail(base::Kind::unavailable, "no answer within {} s", check.time_limit.count() / 1000);
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds(50));
  }
}

void Trial::drop_page_cache(Kind kind) const {
  auto parts = parts_of(runnable_, services_.tools);
  for (const auto& folder : {parts.code, parts.venv, parts.engine}) forget_cached(folder);
  for (const auto& interpreter : parts.interpreters) forget_cached(interpreter);
  const auto& python = runnable_.details.interpreter;
  forget_cached(fs::path(python.prefix) / "lib" /
                fmt::format("python{}.{}", python.version.major, python.version.minor));
  if (kind == Kind::container || kind == Kind::vm) forget_cached(services_.paths.images());
}

Result<void> Trial::find(const std::string& name) const {
  if (running_.contains(name)) return {};
  return base::not_found("the trial has no placement {}", name);
}

Result<void> Trial::remove(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (auto found = find(name); !found) return found;
  if (auto gone = services_.environment.destroy(name); !gone) return gone;
  running_.erase(name);
  return {};
}

Result<void> Trial::set_frozen(const std::string& name, Running& running, bool frozen) {
  if (running.frozen == frozen) return {};
  auto done = frozen ? services_.environment.freeze(name) : services_.environment.thaw(name);
  if (done) running.frozen = frozen;
  return done;
}

// The app's is the one that a dedicated instance owns, else the last; the generator has one of another core.
Result<Trial::Turn> Trial::cpus() const {
  auto hierarchy = allocation::Hierarchy::detect();
  if (!hierarchy) return std::unexpected(hierarchy.error());
  auto cores = allocation::cores_of(hierarchy->cpus());
  if (cores.size() < 2) return Turn{};
  int app = *cores.back().begin();
  for (const auto& [name, running] : running_) {
    auto inspected = services_.environment.inspect(name);
    auto own = inspected ? allocation::parse_cpus(inspected->limits.cpus) : Result<allocation::CpuSet>();
    if (own && !own->empty()) app = *own->begin();
  }
  auto other = std::ranges::find_if(cores, [&](const auto& core) { return !core.contains(app); });
  return Turn{app, *other->begin()};
}

Result<Trial::Turn> Trial::give_turn(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (!name.empty())
    if (auto found = find(name); !found) return std::unexpected(found.error());
  for (auto& [other, running] : running_)
    if (other != name)
      if (auto frozen = set_frozen(other, running, true); !frozen) return std::unexpected(frozen.error());
  if (name.empty()) return Turn{};
  if (auto thawed = set_frozen(name, running_.at(name), false); !thawed) return std::unexpected(thawed.error());
  auto turn = cpus();
  if (!turn || turn->app_cpu < 0) return turn;
  auto group = environment::group_of(services_.paths, name);
  if (!group) return std::unexpected(group.error());
  if (auto pinned = group->set_cpus({turn->app_cpu}); !pinned) return Turn{};
  return turn;
}

Result<Trial::Measured> Trial::measure(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (auto found = find(name); !found) return std::unexpected(found.error());
  auto inspected = services_.environment.inspect(name);
  if (!inspected) return std::unexpected(inspected.error());
  return Measured{inspected->usage.cpu, inspected->hits};
}

Result<Trial::Observed> Trial::observe(const std::string& name) {
  std::lock_guard lock(mutex_);
  if (auto found = find(name); !found) return std::unexpected(found.error());
  auto footprint = environment::footprint(services_.paths, name);
  if (!footprint) return std::unexpected(footprint.error());
  auto walls = environment::walls(services_.paths, name);
  if (!walls) return std::unexpected(walls.error());
  Observed observed{*footprint, std::move(*walls), {}};
  for (const auto& line : api::LogReader(services_.paths.log(id_, "web")).last(kOutputLines))
    observed.output.push_back(line.text);
  return observed;
}

void Trial::end() {
  ended_ = true;  // whoever waits for an answer stops waiting
  std::lock_guard lock(mutex_);
  if (std::exchange(removed_, true)) return;
  for (const auto& [name, running] : running_)
    if (auto gone = services_.environment.destroy(name); !gone) warn(id_, gone.error());
  running_.clear();
  if (auto gone = remove_trial(services_, id_); !gone) warn(id_, gone.error());
}

void sweep_trials(Services& services) {
  std::error_code error;
  std::vector<std::string> left;
  for (fs::directory_iterator at(services.paths.root / "apps", error), end; !error && at != end; at.increment(error))
    if (auto name = at->path().filename().string(); name.starts_with(kTrialPrefix)) left.push_back(name);
  for (const auto& name : left)
    if (auto gone = remove_trial(services, name); !gone) warn(name, gone.error());
}

}  // namespace control_plane
