#include "environment/shared/shared.h"

#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "environment/network/host_services.h"
#include "environment/port.h"
#include "environment/shared/program.h"
#include "environment/shared/view.h"
#include "environment/supervisor.h"
#include "net/address.h"

namespace environment {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kBeyondGrace{10'000};  // a supervisor that needs longer than this is stuck
constexpr milliseconds kFarewell{2000};       // from the end of its processes to its own
constexpr milliseconds kLastWords{5000};      // until what was sent is read

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 100 && text.front() != '.' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
             std::string::npos;
}

base::Result<void> make_owned(const fs::path& folder, mode_t mode, Identity owner) {
  if (::mkdir(folder.c_str(), mode) < 0 && errno != EEXIST)
    return base::errno_error(fmt::format("make folder {}", folder.string()));
  if (::chmod(folder.c_str(), mode) < 0) return base::errno_error(fmt::format("set the mode of {}", folder.string()));
  return base::change_owner(folder, owner.uid, owner.gid);
}

std::vector<std::string> as_list(const Variables& variables) {
  std::vector<std::string> list;
  for (const auto& [name, value] : variables) list.push_back(name + "=" + value);
  return list;
}

std::string describe(const allocation::Limits& limits) {
  auto text = fmt::format("cpu {:.2g}, memory {} MiB, {} processes", limits.cpu, limits.memory >> 20, limits.processes);
  return limits.cpus.empty() ? text : text + ", CPUs of its own: " + limits.cpus;
}

}  // namespace

SharedEnvironment::SharedEnvironment(SharedOptions options, Identities identities, allocation::Hierarchy hierarchy,
                                     std::shared_ptr<Reservations> reservations)
    : options_(std::move(options)),
      layout_(options_.layout),
      identities_(std::move(identities)),
      hierarchy_(std::move(hierarchy)),
      reservations_(std::move(reservations)),
      firewall_(identities_.host_name(), identities_.edge().uid),
      networks_({.table = identities_.host_name(),
                 .group = identities_.number(),
                 .edge = identities_.edge().uid,
                 .is_root = identities_.is_root()}) {}

base::Result<std::unique_ptr<SharedEnvironment>> SharedEnvironment::make(SharedOptions options) {
  auto identities = Identities::open(options.layout, options.uid_registry);
  if (!identities) return std::unexpected(identities.error());
  auto hierarchy = allocation::Hierarchy::detect();
  if (!hierarchy) return std::unexpected(hierarchy.error());
  for (const auto& folder : {options.layout.root / "apps", options.layout.instances()}) {
    if (auto made = base::make_folders(folder, 0711); !made) return std::unexpected(made.error());
  }
  auto reservations = std::make_shared<Reservations>(options.layout, *hierarchy, identities->host_name());
  auto environment = std::make_unique<SharedEnvironment>(std::move(options), std::move(*identities),
                                                         std::move(*hierarchy), std::move(reservations));
  environment->sweep();
  environment->reservations_->restore();
  return environment;
}

base::Result<std::unique_ptr<Environment>> make_shared_environment(SharedOptions options) {
  return SharedEnvironment::make(std::move(options));
}

base::Result<void> SharedEnvironment::check(const Demand& demand) {
  if (demand.limits.nice == 0 && demand.limits.io_weight == 0) return {};
  return std::unexpected(base::Error(
      base::Kind::invalid,
      fmt::format("start {} in the shared environment: [allocation] nice and io_weight are for dedicated apps",
                  demand.app),
      "take them out of serai.toml, or choose another kind: [environment] kind = \"dedicated\""));
}

base::Result<Identity> SharedEnvironment::prepare(const std::string& app) {
  if (!is_name(app)) return base::invalid("\"{}\" is no name for an app: letters, digits, \"-\" and \".\" are", app);
  auto user = identities_.claim(app);
  if (!user) return user;
  if (auto made = base::make_folders(layout_.app(app), 0711); !made) return std::unexpected(made.error());
  for (const auto& folder : {layout_.data(app), layout_.home(app), layout_.cache(app)}) {
    if (auto made = make_owned(folder, 0700, *user); !made) return std::unexpected(made.error());
  }
  if (auto made = make_owned(layout_.logs(app), 0750, identities_.supervisor()); !made)
    return std::unexpected(made.error());
  return user;
}

base::Result<void> SharedEnvironment::forget(const std::string& app) {
  for (const auto& folder : {layout_.data(app), layout_.home(app), layout_.cache(app), layout_.logs(app)}) {
    if (auto removed = base::remove_tree(folder); !removed) return removed;
  }
  for (const auto& file : {layout_.kept_record(app), layout_.app(app) / "kept.lock"}) ::unlink(file.c_str());
  ::rmdir(layout_.app(app).c_str());  // stays while the daemon's releases are there
  return identities_.release(app);
}

Layer SharedEnvironment::layer(const std::string& id, const fs::path& code) const {
  auto own = layout_.own(id);
  return {.id = id, .code = code, .upper = own / "upper", .work = own / "work", .view = own / "view"};
}

base::Result<void> SharedEnvironment::make_instance_folder(const std::string& id, Identity user) {
  if (!is_name(id)) return base::invalid("\"{}\" is no id for an instance: letters, digits, \"-\" and \".\" are", id);
  if (::mkdir(layout_.instance(id).c_str(), 0711) < 0) {
    if (errno == EEXIST) return base::fail(base::Kind::conflict, "start instance {}: there is one of that name", id);
    return base::errno_error(fmt::format("make the folder of instance {}", id));
  }
  // "own" is root's alone: what the app writes is in it, for nobody on the host to see.
  ::chmod(layout_.instance(id).c_str(), 0711);
  auto made = base::make_folders(layout_.own(id), 0700);
  if (made) made = base::make_folders(layout_.own(id) / "view");
  for (const auto& folder : {layout_.tmp(id), layout_.var_tmp(id)})
    if (made) made = make_owned(folder, 01777, user);
  return made;
}

// A release belongs to the app's user, so that it can be written through an overlay; the folder itself never is.
base::Result<void> SharedEnvironment::own_release(const fs::path& code, Identity user) {
  struct stat facts;
  if (::lstat(code.c_str(), &facts) < 0) return base::errno_error(fmt::format("find the release at {}", code.string()));
  if (facts.st_uid == user.uid || !identities_.is_root()) return {};
  std::error_code error;
  for (fs::recursive_directory_iterator at(code, error), end; !error && at != end; at.increment(error)) {
    if (auto changed = base::change_owner(at->path(), user.uid, user.gid); !changed) return changed;
  }
  if (error) return std::unexpected(base::Error::from_errno("walk the release", error.value()));
  return base::change_owner(code, user.uid, user.gid);  // last: it says that all of it was done
}

base::Result<AppView> SharedEnvironment::app_view(const Record& record, const std::vector<std::string>& folders,
                                                  const std::vector<std::string>& files) {
  if (auto owned = own_release(record.code, record.user); !owned) return std::unexpected(owned.error());
  auto kept = KeptData::open(layout_, record.app, record.user);
  if (!kept) return std::unexpected(kept.error());
  return kept->prepare(layer(record.id, record.code), folders, files);
}

void SharedEnvironment::set_common(instance::Plan& plan, const Record& record) const {
  plan.app = record.app;
  plan.id = record.id;
  plan.uid = record.user.uid;
  plan.gid = record.user.gid;
  plan.supervisor_uid = identities_.supervisor().uid;
  plan.supervisor_gid = identities_.supervisor().gid;
  plan.user_namespace = !identities_.is_root();
  plan.view_folder = layer(record.id, "").view;
  auto group = allocation::Group::restore(record.group);
  for (const auto& entrance : group.entrances()) plan.cgroup_entrances.push_back(entrance);
  plan.oom_counter = group.out_of_memory_file();
}

Surroundings& SharedEnvironment::surroundings(Kind kind) const {
  auto found = surroundings_.find(kind);
  return *(found == surroundings_.end() ? surroundings_.at(Kind::shared) : found->second);
}

instance::NetworkPlan SharedEnvironment::network_plan(const Record& record, const NetworkSpec& wish) const {
  if (!record.own_network) return {};
  auto resolv_conf = base::read_file("/etc/resolv.conf").value_or("");
  return {.own = true,
          .group = networks_.group(),
          .alias = record.id,
          .port = 0,
          .services = services_for(resolv_conf, wish.services)};
}

base::Result<instance::Plan> SharedEnvironment::plan(const Record& record, const InstanceSpec& spec, AppView view) {
  instance::Plan plan;
  set_common(plan, record);
  plan.graceful_timeout_ms = spec.graceful_timeout.count();
  plan.has_listener = spec.listen == Listen::unix_socket;
  SystemView system{.parts = spec.parts,
                    .user = record.user,
                    .home = layout_.home(spec.app),
                    .cache = {},
                    .tmp = layout_.tmp(spec.id),
                    .var_tmp = layout_.var_tmp(spec.id),
                    .shm_bytes = spec.shm_bytes,
                    .group = group_of(spec.id),
                    .limits = record.limits,
                    .port = record.port,
                    .localhost_ports = localhost_ports(spec.network.services)};
  if (auto furnished = surroundings(record.kind).furnish(plan, system); !furnished)
    return std::unexpected(furnished.error());
  plan.mounts.insert(plan.mounts.end(), view.mounts.begin(), view.mounts.end());
  plan.network = network_plan(record, spec.network);
  if (spec.listen == Listen::tcp) plan.network.port = record.port;
  plan.control_socket = layout_.control_socket(spec.id);
  plan.events_file = layout_.instance(spec.id) / "events.jsonl";
  plan.logs_folder = layout_.logs(spec.app);
  for (const auto& process : spec.processes) {
    Variables env = base_environment(spec.parts, spec.env);
    if (process.is_web && spec.listen == Listen::unix_socket)
      env["SERAI_CONTROL_FD"] = std::to_string(kControlDescriptor);
    if (process.is_web && spec.listen == Listen::tcp) {
      env["HOST"] = "127.0.0.1";
      env["PORT"] = std::to_string(record.port);
    }
    for (const auto& [name, value] : process.env) env[name] = value;
    plan.processes.push_back({.name = process.name,
                              .argv = process.argv,
                              .env = as_list(env),
                              .cwd = process.cwd,
                              .restart = process.restart == Restart::always,
                              .web = process.is_web});
  }
  return plan;
}

// Only the edge's group (and root) may connect.
base::Result<base::Fd> SharedEnvironment::listen(const std::string& id) {
  auto path = layout_.app_socket(id);
  auto socket = net::listen(net::UnixAddress{path.string()}, {.backlog = 4096, .unix_mode = 0660});
  if (!socket) return socket;
  if (auto owned = base::change_owner(path, ::geteuid(), identities_.edge().gid); !owned)
    return std::unexpected(owned.error());
  return socket;
}

base::Result<void> SharedEnvironment::open_port(Record& record) {
  if (record.port == 0) {
    auto port = free_port();
    if (!port) return std::unexpected(port.error());
    record.port = *port;
  }
  std::lock_guard lock(ports_);
  if (auto written = record.write(layout_); !written) return written;
  if (!identities_.is_root() || record.own_network) return {};
  auto guarded = firewall_.guard(record.port, record.user.uid);
  if (!guarded) return base::wrap(guarded.error(), fmt::format("close port {} to other apps", record.port));
  return {};
}

base::Result<Instance> SharedEnvironment::start(const InstanceSpec& spec, Launch& launch) {
  launch.begin("user");
  auto user = prepare(spec.app);
  if (!user) {
    launch.failed(user.error());
    return std::unexpected(user.error());
  }
  launch.done(fmt::format("uid {}", user->uid));
  Record record{.app = spec.app, .id = spec.id, .kind = spec.kind, .user = *user, .code = spec.parts.code};
  record.has_socket = spec.listen == Listen::unix_socket;
  record.port = spec.listen == Listen::tcp ? spec.port : 0;
  record.graceful_timeout_ms = spec.graceful_timeout.count();
  record.limits = spec.limits;
  if (auto made = launch.step("folder", [&] { return make_instance_folder(spec.id, record.user); }); !made)
    return std::unexpected(made.error());
  auto started = start_steps(spec, record, launch);
  if (started) return started;
  if (end(record)) (void)remove(spec.id);  // else it is tried again, as for what a daemon left
  return started;
}

base::Result<Instance> SharedEnvironment::start_steps(const InstanceSpec& spec, Record& record, Launch& launch) {
  launch.begin("limits");
  auto limited = reservations_->make_group(record);
  if (!limited) {
    launch.failed(limited.error());
    return std::unexpected(limited.error());
  }
  launch.done(describe(record.limits));
  open_network(record, spec.network);
  base::Fd listener;
  if (spec.listen != Listen::nothing) {
    auto ready = launch.step("socket", [&]() -> base::Result<void> {
      if (spec.listen == Listen::tcp) return open_port(record);
      auto socket = listen(spec.id);
      if (!socket) return std::unexpected(socket.error());
      listener = std::move(*socket);
      return {};
    });
    if (!ready) return std::unexpected(ready.error());
  }
  launch.begin("view");
  auto view = app_view(record, spec.data_folders, spec.data_files);
  if (!view) {
    launch.failed(view.error());
    return std::unexpected(view.error());
  }
  for (const auto& file : view->made_data) launch.add_output(fmt::format("/app/{} is data from now on\n", file));
  return start_processes(spec, record, std::move(*view), listener.get(), launch);
}

base::Result<Instance> SharedEnvironment::start_processes(const InstanceSpec& spec, Record& record, AppView view,
                                                          int listener, Launch& launch) {
  close_metadata();
  auto planned = plan(record, spec, std::move(view));
  auto started =
      planned ? start_program(options_.instance_program, *planned, {.listener = listener, .nice = record.limits.nice})
              : base::Result<Started>(std::unexpected(planned.error()));
  if (!started) {
    launch.failed(started.error());
    return std::unexpected(started.error());
  }
  auto ok = await_start(started->report, [&](const std::string& step) {
    launch.done();
    if (step == "view") launch.begin("processes");
  });
  if (!ok) {
    if (launch.steps().back().state == StepState::running) launch.failed(ok.error());
    return std::unexpected(ok.error());
  }
  record.supervisor = ok->value("supervisor", 0);
  record.supervisor_started = start_time(record.supervisor);
  auto network = ok->value("network", nlohmann::json::object());
  record.interface = network.value("interface", 0U);
  record.address = network.value("address", "");
  if (auto written = record.write(layout_); !written) return std::unexpected(written.error());
  return instance_of(record);
}

Instance SharedEnvironment::instance_of(const Record& record) const {
  return {.app = record.app,
          .id = record.id,
          .socket = record.has_socket ? layout_.app_socket(record.id) : fs::path(),
          .port = record.port,
          .address = record.reachable_at(),
          .supervisor = record.supervisor};
}

void SharedEnvironment::ask_to_stop(const Record& record, milliseconds graceful_timeout) {
  if (allocation::Group::restore(record.group).is_frozen()) (void)thaw(record.id);  // else it would hear nothing
  auto supervisor = Supervisor::connect(layout_, record.id, milliseconds(2000));
  if (!supervisor || !supervisor->subscribe(0) || !supervisor->stop(graceful_timeout)) return;
  auto deadline = std::chrono::steady_clock::now() + graceful_timeout + kBeyondGrace;
  for (;;) {
    auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= milliseconds(0)) return;
    auto event = supervisor->next_event(left);
    if (!event) return;
  }
}

void SharedEnvironment::close_metadata() {
  std::lock_guard lock(ports_);
  if (!identities_.is_root() || metadata_closed_) return;
  metadata_closed_ = true;  // or tried: where there is no nftables, the first warning says all
  if (auto closed = firewall_.close_metadata(identities_.apps()); !closed)
    base::log(base::Level::warning, "environment.metadata", {}, closed.error().describe());
}

void SharedEnvironment::open_network(Record& record, const NetworkSpec& wish) {
  if (wish.kind == NetworkKind::host) return;
  std::lock_guard lock(ports_);
  auto raised = networks_.raise();
  record.own_network = raised.has_value();
  if (!raised) record.network_missing = raised.error().describe();
}

// What its processes sent before they ended, and who it is for has not read yet, keeps the namespace for a while.
void await_last_words(const Record& record) {
  char name[IF_NAMESIZE];
  auto deadline = std::chrono::steady_clock::now() + kLastWords;
  while (record.interface != 0 && ::if_indextoname(record.interface, name) &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(milliseconds(5));
}

void SharedEnvironment::lower_firewall() {
  firewall_.remove();
  networks_.lower();
  metadata_closed_ = false;
}

void SharedEnvironment::leave_firewall(const Record& record) {
  std::lock_guard lock(ports_);
  ended_.insert(record.id);
  if (!identities_.is_root()) return;
  if (record.own_network) networks_.remove_interface(record.id);
  if (record.port && !record.own_network) (void)firewall_.release(record.port, record.user.uid);
  if (!is_anybody_left()) lower_firewall();
}

bool SharedEnvironment::is_anybody_left(bool with_own_network) {
  std::error_code error;
  for (fs::directory_iterator at(layout_.instances(), error), end; !error && at != end; at.increment(error)) {
    auto id = at->path().filename().string();
    auto record = ended_.contains(id) ? base::not_found("it has ended") : Record::read(layout_, id);
    if (record && (record->own_network || !with_own_network)) return true;
  }
  return false;
}

// What the host gave goes back in any case; what could not be kept stays where it is, for the next try.
base::Result<Adoption> SharedEnvironment::end(const Record& record) {
  auto group = allocation::Group::restore(record.group);
  (void)group.kill_all();
  record.await_supervisor(kFarewell);
  auto adoption = keep_data(record);
  leave_firewall(record);
  auto removed = reservations_->remove_group(record);
  surroundings(record.kind).clear(group_of(record.id));
  if (adoption && !removed) return std::unexpected(removed.error());
  return adoption;
}

base::Result<Adoption> SharedEnvironment::keep_data(const Record& record) {
  auto kept = KeptData::open(layout_, record.app, record.user);
  if (!kept) return Adoption{};
  auto adopted = kept->adopt(layer(record.id, record.code));
  if (!adopted) return adopted;
  if (auto gone = kept->let_go(record.id); !gone) return std::unexpected(gone.error());
  return adopted;
}

base::Result<Adoption> SharedEnvironment::stop(const std::string& id) {
  auto record = Record::read(layout_, id);
  if (!record) return std::unexpected(record.error());
  ask_to_stop(*record, milliseconds(record->graceful_timeout_ms));
  await_last_words(*record);
  return end(*record);
}

base::Result<void> SharedEnvironment::destroy(const std::string& id) {
  if (!is_name(id)) return base::invalid("\"{}\" is no id of an instance", id);
  auto record = Record::read(layout_, id);
  if (record) {
    ask_to_stop(*record, milliseconds(0));
    if (auto ended = end(*record); !ended) return std::unexpected(ended.error());
  }
  return remove(id);
}

base::Result<void> SharedEnvironment::remove(const std::string& id) {
  auto removed = base::remove_tree(layout_.instance(id));
  std::lock_guard lock(ports_);
  if (removed) ended_.erase(id);
  return removed;
}

base::Result<Inspection> SharedEnvironment::inspect(const std::string& id) {
  auto record = Record::read(layout_, id);
  if (!record) return std::unexpected(record.error());
  Inspection inspection{.instance = instance_of(*record), .limits = record->limits};
  inspection.state = record->supervisor_is_alive() ? InstanceState::running : InstanceState::ended;
  auto group = allocation::Group::restore(record->group);
  inspection.usage = group.usage().value_or(allocation::Usage{});
  inspection.hits = group.hits().value_or(allocation::LimitHits{});
  inspection.network_missing = !record->network_missing.empty();
  inspection.network = record->own_network          ? "its own, " + record->address
                       : inspection.network_missing ? "the host's: " + record->network_missing
                                                    : "the host's";
  return inspection;
}

base::Result<std::vector<std::string>> SharedEnvironment::instances() {
  std::vector<std::string> ids;
  std::error_code error;
  for (fs::directory_iterator at(layout_.instances(), error), end; !error && at != end; at.increment(error)) {
    auto name = at->path().filename().string();
    if (!name.starts_with(kRunPrefix) && at->is_directory()) ids.push_back(name);
  }
  if (error) return std::unexpected(base::Error::from_errno("list the instances", error.value()));
  return ids;
}

base::Result<std::vector<std::string>> SharedEnvironment::unadopted(const std::string& id) {
  auto record = Record::read(layout_, id);
  if (!record) return std::unexpected(record.error());
  auto kept = KeptData::open(layout_, record->app, record->user);
  if (!kept) return std::unexpected(kept.error());
  return kept->unadopted(layer(id, record->code));
}

base::Result<Kept> SharedEnvironment::kept(const std::string& app) {
  auto user = identities_.claim(app);
  if (!user) return std::unexpected(user.error());
  auto data = KeptData::open(layout_, app, *user);
  if (!data) return std::unexpected(data.error());
  const auto& record = data->record();
  return Kept{{record.folders.begin(), record.folders.end()}, {record.files.begin(), record.files.end()}};
}

}  // namespace environment
