#include "edge/server.h"

#include <sys/resource.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "edge/app_runtime.h"
#include "edge/certificates.h"
#include "edge/client_set.h"
#include "edge/control_server.h"
#include "edge/listener.h"
#include "edge/route_parser.h"
#include "edge/route_store.h"
#include "http/access_log.h"
#include "http/static_folder.h"
#include "net/address.h"

namespace edge {
namespace {

using nlohmann::json;

// Two descriptors per connection: the client's and the app's, or the client's and a file.
std::size_t connections_that_fit() {
  constexpr std::size_t reserve = 128;  // listening sockets, control connections, logs
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= 2 * reserve) return reserve;
  return static_cast<std::size_t>(limit.rlim_cur - reserve) / 2;
}

// A folder that is not there serves nothing: the app gets those requests.
void open_folders(App& app) {
  for (auto& mount : app.statics) {
    auto folder = http::StaticFolder::open(mount.folder, {.immutable = mount.immutable});
    if (folder)
      mount.served = std::make_shared<http::StaticFolder>(std::move(*folder));
    else
      base::log(base::Level::warning, "edge.static_folder", {{"app", app.name}}, folder.error().describe());
  }
}

}  // namespace

struct Server::Parts final : Controllable {
  Parts(net::Loop& its_loop, Options its_options)
      : options(std::move(its_options)),
        context(its_loop, options),
        clients(context),
        store(options.folder / "routes.json"),
        sweep(its_loop, [this] { on_sweep(); }),
        drain_end(its_loop, [this] { clients.close_all(); }) {}
  ~Parts();

  base::Result<void> start();
  base::Result<void> load_routes();
  base::Result<std::uint64_t> use_routes(const json& message);
  base::Result<void> add_listener(base::Fd socket, bool secure);
  base::Result<void> open_own_listeners();
  base::Result<std::vector<std::string>> take_certificates(Certificates certificates);
  base::Result<void> open_own_listeners(const std::vector<std::string>& addresses, bool secure);
  void drain(std::chrono::milliseconds timeout);
  void on_client_removed();
  void on_sweep();

  base::Result<std::vector<std::string>> on_listen(std::vector<base::Fd> sockets,
                                                   const std::vector<bool>& secure) override;
  base::Result<std::vector<std::string>> on_certificates(const json& message) override;
  base::Result<std::uint64_t> on_routes(const json& message) override;
  json on_counters() const override;
  std::vector<std::string> addresses() const override;
  std::vector<bool> are_secure() const override;
  base::Result<std::vector<base::Fd>> copies_of_sockets() const override;
  base::Result<void> on_reopen_logs() override { return access_log->reopen(); }
  void on_drain(std::chrono::milliseconds timeout) override { drain(timeout); }

  Options options;
  TrustedPeers trusted;
  std::optional<http::AccessLog> access_log;
  Context context;
  std::map<std::string, std::shared_ptr<AppRuntime>, std::less<>> runtimes;
  ClientSet clients;
  RouteStore store;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::unique_ptr<ControlServer> control;
  net::Timer sweep, drain_end;
  std::function<void()> on_drained;
};

Server::Parts::~Parts() {
  listeners.clear();
  clients.close_all();
  context.table = std::make_shared<RouteTable>();
  runtimes.clear();
  context.bury_now();
}

base::Result<void> Server::Parts::start() {
  auto peers = TrustedPeers::parse(options.trusted_proxies);
  if (!peers) return std::unexpected(peers.error());
  trusted = std::move(*peers);
  auto or_default = [](std::size_t given, std::size_t usual) { return given ? given : usual; };
  auto connections = or_default(options.max_connections, connections_that_fit());
  auto least = [](std::size_t share) { return std::max<std::size_t>(share, 1); };
  clients.limits = {connections, or_default(options.max_connections_per_address, least(connections / 4))};
  context.most_requests_per_app = or_default(options.max_requests_per_app, least(connections / 2));
  clients.on_removed = [this] { on_client_removed(); };
  auto log = http::AccessLog::open(options.folder / "access.log", options.access_log_format);
  if (!log) return std::unexpected(log.error());
  access_log.emplace(std::move(*log));
  context.access_log = &*access_log;
  if (auto loaded = load_routes(); !loaded) {
    base::log(base::Level::error, "edge.routes_unreadable", {},
              loaded.error().describe());  // the daemon will send them
  }
  if (auto listening = open_own_listeners(); !listening) return listening;
  auto listening = ControlServer::listen(context.loop, options.folder / "control.sock", options.controllers, *this);
  if (!listening) return std::unexpected(listening.error());
  control = std::move(*listening);
  sweep.set_after(options.timeouts.sweep);
  return {};
}

// ---- routes ----

base::Result<void> Server::Parts::load_routes() {
  auto content = store.load();
  if (!content) return std::unexpected(content.error());
  if (!*content) return {};
  auto message = json::parse(**content, nullptr, false);
  if (message.is_discarded()) return base::invalid("routes.json is no JSON");
  auto used = use_routes(message);
  if (!used) return base::wrap(used.error(), "routes.json");
  return {};
}

// All or nothing: whatever can fail does so before anything changes.
base::Result<std::uint64_t> Server::Parts::use_routes(const json& message) {
  auto parsed = parse_routes(message, options.limits.body_bytes);
  if (!parsed) return std::unexpected(parsed.error());
  std::map<std::string, std::shared_ptr<AppRuntime>, std::less<>> next;
  for (auto& app : parsed->apps) {
    auto known = runtimes.find(app.name);
    open_folders(app);
    app.runtime = known != runtimes.end() ? known->second : std::make_shared<AppRuntime>(context);
    next.emplace(app.name, app.runtime);
  }
  auto table = RouteTable::build(parsed->generation, std::move(parsed->apps));
  if (!table) return std::unexpected(table.error());
  context.table = std::make_shared<RouteTable>(std::move(*table));
  auto former = std::exchange(runtimes, std::move(next));
  for (const auto& app : context.table->apps()) app.runtime->follow(app);
  for (const auto& [name, runtime] : former) runtime->holds.release_all();
  return context.table->generation();
}

base::Result<std::uint64_t> Server::Parts::on_routes(const json& message) {
  auto used = use_routes(message);
  if (!used) return used;
  store.save(message.dump());
  base::log(base::Level::info, "edge.routes", {{"generation", *used}, {"apps", context.table->apps().size()}},
            "new routes are in use");
  return used;
}

// ---- sockets ----

base::Result<void> Server::Parts::open_own_listeners() {
  if (!options.certificates.empty()) {
    auto pairs = tls::read_key_pairs(options.certificates);
    if (!pairs) return std::unexpected(pairs.error());
    auto used = take_certificates({std::move(*pairs), tls::TicketSecret::random()});
    if (!used) return std::unexpected(used.error());
  }
  if (auto opened = open_own_listeners(options.listen, false); !opened) return opened;
  return open_own_listeners(options.listen_tls, true);
}

base::Result<void> Server::Parts::open_own_listeners(const std::vector<std::string>& addresses, bool secure) {
  for (const auto& text : addresses) {
    auto address = net::parse_address(text);
    if (!address) return std::unexpected(address.error());
    auto socket = net::listen(*address);
    if (!socket) return std::unexpected(socket.error());
    if (auto added = add_listener(std::move(*socket), secure); !added) return added;
  }
  return {};
}

base::Result<void> Server::Parts::add_listener(base::Fd socket, bool secure) {
  if (secure && !context.tls) {
    return base::fail(base::Kind::conflict, "no TLS is spoken before there are certificates: send them first");
  }
  auto listener = Listener::open(context.loop, std::move(socket), clients, trusted, secure);
  if (!listener) return std::unexpected(listener.error());
  base::log(base::Level::info, "edge.listening", {{"address", (*listener)->address()}, {"tls", secure}},
            "accepting connections");
  listeners.push_back(std::move(*listener));
  return {};
}

base::Result<std::vector<std::string>> Server::Parts::on_listen(std::vector<base::Fd> sockets,
                                                                const std::vector<bool>& secure) {
  if (sockets.empty()) return base::invalid("listen came without sockets");
  if (context.draining) return base::fail(base::Kind::conflict, "this edge is draining");
  for (std::size_t i = 0; i < sockets.size(); i++) {
    auto added = add_listener(std::move(sockets[i]), i < secure.size() && secure[i]);
    if (!added) return std::unexpected(added.error());
  }
  return addresses();
}

base::Result<std::vector<std::string>> Server::Parts::on_certificates(const json& message) {
  auto certificates = parse_certificates(message);
  if (!certificates) return std::unexpected(certificates.error());
  return take_certificates(std::move(*certificates));
}

base::Result<std::vector<std::string>> Server::Parts::take_certificates(Certificates certificates) {
  auto count = certificates.pairs.size();
  auto warnings = use_certificates(std::move(certificates), context.tls);
  if (!warnings) return warnings;
  for (const auto& sentence : *warnings) base::log(base::Level::warning, "edge.certificate", {}, sentence);
  base::log(base::Level::info, "edge.certificates", {{"pairs", count}}, "new TLS handshakes use these certificates");
  return warnings;
}

std::vector<bool> Server::Parts::are_secure() const {
  std::vector<bool> all;
  for (const auto& listener : listeners) all.push_back(listener->is_secure());
  return all;
}

std::vector<std::string> Server::Parts::addresses() const {
  std::vector<std::string> all;
  for (const auto& listener : listeners) all.push_back(listener->address());
  return all;
}

base::Result<std::vector<base::Fd>> Server::Parts::copies_of_sockets() const {
  std::vector<base::Fd> copies;
  for (const auto& listener : listeners) {
    auto copy = base::dup(listener->socket());
    if (!copy) return std::unexpected(copy.error());
    copies.push_back(std::move(*copy));
  }
  return copies;
}

// ---- the rest ----

json Server::Parts::on_counters() const {
  json apps = json::object();
  for (const auto& [name, runtime] : runtimes) apps[name] = runtime->counters_to_json();
  return {{"type", "counters"},
          {"generation", context.table->generation()},
          {"connections", clients.size()},
          {"draining", context.draining},
          {"apps", std::move(apps)}};
}

void Server::Parts::on_sweep() {
  sweep.set_after(options.timeouts.sweep);
  auto now = context.loop.now();
  clients.sweep(now);
  access_log->flush();
  for (const auto& [name, runtime] : runtimes) {
    runtime->holds.expire(now);
    runtime->close_idle_since_before(now - options.timeouts.upstream_idle);
  }
}

void Server::Parts::on_client_removed() {
  for (const auto& listener : listeners) listener->resume();
  if (!context.draining || clients.size() > 0 || !on_drained) return;
  context.loop.post(std::exchange(on_drained, nullptr));
}

void Server::Parts::drain(std::chrono::milliseconds timeout) {
  if (std::exchange(context.draining, true)) return;
  context.draining_since = context.loop.now();
  base::log(base::Level::info, "edge.draining", {{"connections", clients.size()}}, "accepting no more connections");
  if (control) control->stop_listening();
  listeners.clear();
  drain_end.set_after(timeout);
  on_client_removed();
}

// ---- Server ----

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

base::Result<std::unique_ptr<Server>> Server::create(net::Loop& loop, Options options) {
  auto parts = std::make_unique<Parts>(loop, std::move(options));
  if (auto started = parts->start(); !started) return std::unexpected(started.error());
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

base::Result<void> Server::listen(base::Fd socket, bool secure) {
  return parts_->add_listener(std::move(socket), secure);
}
std::vector<std::string> Server::addresses() const { return parts_->addresses(); }
json Server::counters() const { return parts_->on_counters(); }

void Server::adopt(base::Fd client, std::string peer_host, bool secure) {
  bool trusted = parts_->trusted.contains(peer_host);
  parts_->clients.add(std::move(client), {std::move(peer_host), trusted, secure});
}

base::Result<void> Server::apply_certificates(const json& message) {
  auto applied = parts_->on_certificates(message);
  if (!applied) return std::unexpected(applied.error());
  return {};
}

base::Result<void> Server::apply_routes(const json& message) {
  auto applied = parts_->on_routes(message);
  if (!applied) return std::unexpected(applied.error());
  return {};
}

void Server::reopen_logs() {
  auto reopened = parts_->access_log->reopen();
  if (!reopened) base::log(base::Level::error, "edge.log_not_reopened", {}, reopened.error().describe());
}

void Server::on_drained(std::function<void()> done) { parts_->on_drained = std::move(done); }
void Server::drain(std::chrono::milliseconds timeout) { parts_->drain(timeout); }

}  // namespace edge
