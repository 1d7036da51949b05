// One-off commands: builds, detection, release phases, `serai run`.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "environment/network/host_services.h"
#include "environment/shared/program.h"
#include "environment/shared/shared.h"
#include "environment/shared/view.h"
#include "instance/report.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kBeyondTimeout{15'000};  // the supervisor enforces the timeout; this is for one that is stuck

// What the command prints, on its way to the caller, and the report.
class Follower {
 public:
  Follower(const RunSpec& spec, RunResult& result) : spec_(spec), result_(result) {}

  base::Result<json> follow(const base::Fd& report, base::Fd& out, base::Fd& err) {
    auto deadline = Clock::now() + spec_.timeout + kBeyondTimeout;
    bool reporting = true;
    while (reporting || out.is_open() || err.is_open()) {
      pollfd fds[] = {{spec_.caller_fd, POLLRDHUP, 0},
                      {reporting ? report.get() : -1, POLLIN, 0},
                      {out.get(), POLLIN, 0},
                      {err.get(), POLLIN, 0}};
      auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
      int ready = ::poll(fds, 4, spec_.timeout.count() > 0 ? static_cast<int>(std::max<long>(left, 0)) : -1);
      if (ready < 0 && errno != EINTR) return base::errno_error("follow a command");
      if (ready == 0) return base::fail(base::Kind::unavailable, "run {}: it does not end", spec_.argv.front());
      if (fds[0].revents) return base::fail(base::Kind::disconnected, "run {}: its caller is gone", spec_.argv.front());
      if (fds[2].revents) take(out, result_.out, RunSpec::Stream::out);
      if (fds[3].revents) take(err, result_.err, RunSpec::Stream::err);
      if (fds[1].revents) reporting = read_report(report);
    }
    return last_report();
  }

 private:
  void take(base::Fd& from, std::string& into, RunSpec::Stream stream) {
    char chunk[16384];
    auto count = base::read_some(from.get(), chunk);
    if (!count || !*count || **count == 0) return from.close();
    std::string_view bytes(chunk, **count);
    // The end of long output says more than its beginning: the older half goes.
    into.append(bytes);
    if (into.size() > spec_.output_limit) into.erase(0, into.size() - spec_.output_limit / 2);
    if (spec_.on_output) spec_.on_output(stream, bytes);
  }

  bool read_report(const base::Fd& report) {
    char chunk[4096];
    auto count = base::read_some(report.get(), chunk);
    if (!count || !*count || **count == 0) return false;
    report_.append(chunk, **count);
    return true;
  }

  base::Result<json> last_report() {
    json last;
    for (std::size_t end; (end = report_.find('\n')) != std::string::npos; report_.erase(0, end + 1)) {
      auto line = json::parse(report_.substr(0, end), nullptr, false);
      if (line.contains("error")) return std::unexpected(instance::error_from_json(line["error"]));
      if (line.contains("ended")) return line["ended"];
    }
    return base::fail(base::Kind::internal, "run {}: its supervisor ended without a word", spec_.argv.front());
  }

  const RunSpec& spec_;
  RunResult& result_;
  std::string report_;
};

std::string random_id() {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}", kRunPrefix, random(), random());
}

std::vector<std::string> as_list(const Variables& variables) {
  std::vector<std::string> list;
  for (const auto& [name, value] : variables) list.push_back(name + "=" + value);
  return list;
}

struct Streams {
  base::Fd null, out_read, out_write, err_read, err_write;
  Descriptors descriptors;

  static base::Result<Streams> open(const RunSpec& spec) {
    Streams streams;
    auto null = base::open("/dev/null", O_RDWR);
    auto out = base::pipe();
    auto err = base::pipe();
    if (!null || !out || !err) return base::errno_error("create a command's pipes");
    streams.null = std::move(*null);
    if (spec.stdout_fd < 0) streams.out_read = std::move(out->read), streams.out_write = std::move(out->write);
    if (spec.stderr_fd < 0) streams.err_read = std::move(err->read), streams.err_write = std::move(err->write);
    streams.descriptors.in = spec.stdin_fd < 0 ? streams.null.get() : spec.stdin_fd;
    streams.descriptors.out = spec.stdout_fd < 0 ? streams.out_write.get() : spec.stdout_fd;
    streams.descriptors.err = spec.stderr_fd < 0 ? streams.err_write.get() : spec.stderr_fd;
    return streams;
  }
};

base::ExitStatus status_of(const json& ended) {
  if (ended.contains("code") && ended["code"].is_number()) return base::Exited{ended["code"].get<int>()};
  return base::Signaled{ended.contains("signal") && ended["signal"].is_number() ? ended["signal"].get<int>() : SIGKILL,
                        false};
}

}  // namespace

base::Result<RunResult> SharedEnvironment::run_once(const RunSpec& spec) {
  if (spec.argv.empty()) return base::invalid("run a command: the argument vector is empty");
  auto user = prepare(spec.app);
  if (!user) return std::unexpected(user.error());
  Record record{.app = spec.app, .id = random_id(), .user = *user};
  if (surroundings_.contains(spec.kind)) record.kind = spec.kind;  // dedicated: it must not take the app's own CPUs
  if (spec.view == View::release) record.code = spec.parts.code;
  record.limits = spec.limits;
  if (auto made = make_instance_folder(record.id, record.user); !made) return std::unexpected(made.error());
  // Held while the command runs: whoever gets it later knows that we were killed.
  auto lock = Lock::take(layout_.instance(record.id) / "lock");
  if (!lock) return std::unexpected(lock.error());
  auto result = run_in(spec, record);
  auto adopted = end(record);
  if (adopted) (void)remove(record.id);
  if (!result) return result;
  if (!adopted) return std::unexpected(adopted.error());
  result->adopted = std::move(*adopted);
  return result;
}

base::Result<RunResult> SharedEnvironment::run_in(const RunSpec& spec, Record& record) {
  RunResult result{.status = base::Exited{0}};
  if (auto limited = reservations_->make_group(record); !limited) return std::unexpected(limited.error());
  open_network(record, spec.network);
  instance::Plan plan;
  set_common(plan, record);
  plan.network = network_plan(record, spec.network);
  plan.once = true;
  plan.terminal = spec.terminal;
  plan.timeout_ms = spec.timeout.count();
  SystemView system{.parts = spec.parts,
                    .view = spec.view,
                    .user = record.user,
                    .home = layout_.home(spec.app),
                    .cache = layout_.cache(spec.app),
                    .tmp = layout_.tmp(record.id),
                    .var_tmp = layout_.var_tmp(record.id),
                    .shm_bytes = spec.shm_bytes,
                    .group = group_of(record.id),
                    .limits = record.limits,
                    .localhost_ports = localhost_ports(spec.network.services)};
  if (auto furnished = surroundings(record.kind).furnish(plan, system); !furnished)
    return std::unexpected(furnished.error());
  if (spec.view == View::release) {
    auto view = app_view(record, spec.data_folders, spec.data_files);
    if (!view) return std::unexpected(view.error());
    result.made_data = std::move(view->made_data);
    plan.mounts.insert(plan.mounts.end(), view->mounts.begin(), view->mounts.end());
  } else {
    for (const auto& folder : {spec.parts.code, spec.parts.venv}) {
      if (folder.empty()) continue;
      if (auto owned = own_release(folder, record.user); !owned) return std::unexpected(owned.error());
    }
    instance::Mount code{.kind = "bind", .to = "app", .base = spec.parts.code};
    code.writable = true;
    plan.mounts.push_back(std::move(code));
  }
  plan.processes.push_back(
      {.name = "run", .argv = spec.argv, .env = as_list(base_environment(spec.parts, spec.env)), .cwd = spec.cwd});
  close_metadata();
  auto streams = Streams::open(spec);
  if (!streams) return std::unexpected(streams.error());
  auto started = start_program(options_.instance_program, plan, streams->descriptors);
  if (!started) return std::unexpected(started.error());
  streams->out_write.close();
  streams->err_write.close();
  auto ended = Follower(spec, result).follow(started->report, streams->out_read, streams->err_read);
  if (!ended) return std::unexpected(ended.error());
  result.status = status_of(*ended);
  result.timed_out = ended->value("timed_out", false);
  result.out_of_memory = ended->value("out_of_memory", false);
  result.hits = allocation::Group::restore(record.group).hits().value_or(allocation::LimitHits{});
  return result;
}

// Only root has a range of users, and with it a name for its groups and rules, that no other Serai of this host shares.
void SharedEnvironment::sweep() {
  sweep_runs();
  if (!identities_.is_root()) return;
  std::error_code error;
  std::set<std::string> known;
  for (fs::directory_iterator at(layout_.instances(), error), stop; !error && at != stop; at.increment(error))
    known.insert(at->path().filename());
  if (error) return;
  allocation::Group::sweep(hierarchy_, identities_.host_name(), known);
  if (!is_anybody_left()) return lower_firewall();
  close_metadata();
  if (is_anybody_left(true)) (void)networks_.raise();
}

void SharedEnvironment::sweep_runs() {
  std::error_code error;
  for (fs::directory_iterator at(layout_.instances(), error), stop; !error && at != stop; at.increment(error)) {
    auto id = at->path().filename().string();
    if (!id.starts_with(kRunPrefix)) continue;
    auto lock = Lock::try_take(at->path() / "lock");
    if (!lock || !*lock) continue;  // somebody's command runs
    if (auto record = Record::read(layout_, id)) (void)end(*record);
    if (auto removed = remove(id); !removed)
      base::log(base::Level::warning, "environment.sweep", {{"instance", id}}, removed.error().describe());
  }
}

}  // namespace environment
