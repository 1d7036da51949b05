#include "daemon/daemon.h"

#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/file.h"
#include "base/library.h"
#include "base/log.h"
#include "base/version.h"
#include "daemon/api/resources.h"
#include "daemon/api/server.h"
#include "daemon/collector.h"
#include "daemon/deploy/deploys.h"
#include "daemon/edge_keeper.h"
#include "daemon/notify.h"
#include "daemon/watcher.h"
#include "environment/container/images.h"
#include "environment/registry.h"

namespace control_plane {
namespace {

// Between the end of an upload and its deploy are milliseconds, unless the client went away.
constexpr std::chrono::minutes kUploadLife{60}, kUploadCheck{10};

// The lock says that a daemon of this root runs; the kernel gives it back however we end.
base::Result<base::Fd> lock_root(const Paths& paths) {
  if (auto made = base::make_folders(paths.root); !made) return std::unexpected(made.error());
  auto lock = base::open(paths.lock().string(), O_RDWR | O_CREAT, 0600);
  if (!lock) return lock;
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) < 0) {
    return std::unexpected(base::Error(base::Kind::conflict,
                                       fmt::format("another daemon runs with the root {}", paths.root.string()),
                                       "stop it (serai daemon stop), or use another --root"));
  }
  return lock;
}

class SignalWatch final : net::Pollable {
 public:
  explicit SignalWatch(net::Loop& loop) : loop_(loop) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    fd_ = base::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    (void)loop_.add(fd_.get(), EPOLLIN, *this);
  }
  ~SignalWatch() { loop_.remove(fd_.get(), *this); }

  std::function<void()> on_hangup = [] {};  // SIGHUP

 private:
  void on_ready(std::uint32_t) override {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGHUP) return on_hangup();
    base::log(base::Level::info, "daemon.signal", {}, "ending; edge and instances go on");
    loop_.stop();
  }
  net::Loop& loop_;
  base::Fd fd_;
};

// Apps' users pass through the root's folders; what must be private has its own mode.
base::Result<void> make_root_folders(const Paths& paths) {
  for (const auto& folder : {paths.root, paths.root / "apps", paths.builds(), paths.instances()}) {
    if (auto made = base::make_folders(folder, 0755); !made) return made;
  }
  return base::make_folders(paths.uploads(), 0700);
}

// Ends every instance and the edge: `serai daemon stop --all`.
void stop_everything(Services& services, EdgeKeeper& edge) {
  auto instances = services.store.instances();
  if (auto stopped = edge.stop(); !stopped) {
    base::log(base::Level::warning, "edge.stop", {{"error", stopped.error().describe()}}, "the edge did not drain");
  }
  if (!instances) return;
  std::vector<std::thread> stopping;
  for (const auto& instance : *instances) {
    stopping.emplace_back([&services, id = instance.id] { (void)services.environment.stop(id); });
  }
  for (auto& thread : stopping) thread.join();
  for (const auto& instance : *instances) {
    // The placement stays: the next daemon starts the app again.
    if (services.environment.destroy(instance.id)) (void)services.store.remove_instance(instance.id);
  }
}

base::Result<std::unique_ptr<environment::Registry>> make_environment(const Paths& paths, const Tools& tools,
                                                                      environment::Images& images) {
  environment::SharedOptions options;
  options.layout = paths;
  options.instance_program = tools.instance_program();
  return environment::make_registry(std::move(options), images);
}

base::Result<std::unique_ptr<EdgeKeeper>> start_edge(const Options& options, const Paths& paths) {
  auto identities = environment::Identities::open(paths);
  if (!identities) return std::unexpected(identities.error());
  auto listen = options.listen.empty() ? std::vector<std::string>{":80"} : options.listen;
  std::vector<std::string> arguments{"--access-log-format", options.access_log_format};
  arguments.insert(arguments.end(), options.edge_limits.begin(), options.edge_limits.end());
  for (const auto& range : options.trusted_proxies) arguments.insert(arguments.end(), {"--trusted-proxy", range});
  return EdgeKeeper::start({.folder = paths.edge(),
                            .listen = std::move(listen),
                            .listen_tls = options.listen_tls,
                            .certificates = options.certificates,
                            .identity = identities->edge(),
                            .arguments = std::move(arguments)});
}

// Takes orders and cares for what runs, until a signal or an order ends the daemon.
base::Result<void> serve(net::Loop& loop, Services& services, EdgeKeeper& edge) {
  std::unique_ptr<Watcher> watcher;
  Deploys deploys(services, [&] { watcher->sync(); });
  watcher = std::make_unique<Watcher>(loop, services, [&](const Watcher::Place& place) -> Result<void> {
    auto begun = place.is_second ? deploys.restart_second(place.app) : deploys.restart(place.app);
    if (!begun) return std::unexpected(begun.error());
    return {};
  });
  deploys.recover();
  sweep_trials(services);
  watcher->sync();
  Trials trials(services);

  net::Timer uploads(loop, [&] {
    collect_uploads(services, kUploadLife);
    uploads.set_after(kUploadCheck);
  });
  uploads.set_after(kUploadCheck);

  std::atomic<bool> everything = false;
  api::Resources resources{services, deploys, trials, [&](bool all) {
                             everything = all;
                             loop.stop();
                           }};
  api::Router router;
  api::add_all(router, resources);
  auto server = api::Server::listen(loop, services.paths.api_socket(), {}, router);
  if (!server) return std::unexpected(server.error());
  base::log(base::Level::info, "daemon.ready", {{"root", services.paths.root.string()}, {"version", base::version()}},
            "READY");
  notify_ready();
  loop.run();

  notify_stopping();
  resources.stopping = true;
  if (services.images) services.images->cancel();
  deploys.wait();
  (*server).reset();
  if (everything) stop_everything(services, edge);
  return {};
}

}  // namespace

base::Result<void> run(const Options& options) {
  // Absolute and without links: children see these paths from other folders.
  ::umask(022);
  std::error_code error;
  Paths paths(std::filesystem::weakly_canonical(options.root, error));
  auto lock = lock_root(paths);
  if (!lock) return std::unexpected(lock.error());
  if (auto made = make_root_folders(paths); !made) return made;
  auto library = base::library_folder();
  if (!library) return std::unexpected(library.error());
  Tools tools(*library);
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  SignalWatch signals(**loop);  // before any thread, so that all of them leave the signals to it

  auto store = Store::open(paths.database());
  if (!store) return std::unexpected(store.error());
  auto images = environment::Images::open({.folder = paths.images()});
  if (!images) return std::unexpected(images.error());
  auto environment = make_environment(paths, tools, **images);
  if (!environment) return std::unexpected(environment.error());
  auto edge = start_edge(options, paths);
  if (!edge) return std::unexpected(edge.error());
  signals.on_hangup = [&] { (*edge)->renew_certificates(); };

  Feed feed(**store);
  Routes routes(paths, **store, **environment, **edge);
  auto trash = Trash::open(paths.trash());
  if (!trash) return std::unexpected(trash.error());
  Services services{paths,  tools,  **store, **environment,    feed,
                    **edge, routes, **trash, options.crash_at, images->get()};
  if (auto applied = routes.apply(); !applied) return applied;
  return serve(**loop, services, **edge);
}

}  // namespace control_plane
