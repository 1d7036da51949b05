#include "daemon/edge_keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "daemon/drop.h"
#include "daemon/edge_log.h"
#include "net/address.h"

namespace control_plane {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kAnswerLimit{10'000};
constexpr milliseconds kStartLimit{10'000};
constexpr rlim_t kDescriptors = 65'536;

constexpr int kLogCheck = 10'000;  // milliseconds between two looks at the size of the edge's logs

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(std::max(limit.rlim_cur, kDescriptors), limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool answers(const control::Message& message, std::uint64_t question) {
  auto id = message.body().find("id");
  return id == message.body().end() || *id == question;
}

}  // namespace

base::Result<std::unique_ptr<EdgeKeeper>> EdgeKeeper::start(EdgeOptions options) {
  std::unique_ptr<EdgeKeeper> keeper(new EdgeKeeper(std::move(options)));
  keeper->stop_ = base::Fd(::eventfd(0, EFD_CLOEXEC));
  if (auto ready = keeper->adopt_or_spawn(); !ready) return base::wrap(ready.error(), "start the edge");
  keeper->watcher_ = std::thread([raw = keeper.get()] { raw->watch(); });
  return keeper;
}

EdgeKeeper::~EdgeKeeper() {
  if (watcher_.joinable()) {
    ::eventfd_write(stop_.get(), 1);
    watcher_.join();
  }
  child_.detach();
}

base::Result<void> EdgeKeeper::adopt_or_spawn() {
  auto control = (options_.folder / "control.sock").string();
  auto channel = control::BlockingChannel::connect(control, {.role = "daemon"}, kAnswerLimit);
  if (channel) {
    channel_.emplace(std::move(*channel));
    if (auto peer = net::peer_credentials(channel_->fd())) {
      adopted_ = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, peer->pid, 0)));
    }
    if (auto adopted = adopt(); !adopted) return adopted;
    base::log(base::Level::info, "edge.adopted", {{"sockets", sockets_.size()}}, "a running edge was adopted");
    if (certificates_.are_wanted()) {
      if (auto given = give_certificates(); !given) return given;
    }
    return listen_where_missing();
  }
  if (auto listening = listen_where_missing(); !listening) return listening;
  if (certificates_.are_wanted()) {
    auto text = certificates_.read();
    if (!text) return std::unexpected(text.error());
    certificates_text_ = std::move(*text);
  }
  auto spawned = spawn();
  if (!spawned) child_ = base::Child();  // without what it needs it is of no use
  return spawned;
}

// Copies of the sockets that the edge listens on.
base::Result<void> EdgeKeeper::adopt() {
  auto answer = ask(control::Message("give_sockets"));
  if (!answer) return std::unexpected(answer.error());
  sockets_ = std::move(answer->descriptors);
  addresses_ = answer->body().value("addresses", std::vector<std::string>{});
  secure_ = answer->body().value("secure", std::vector<bool>{});
  secure_.resize(addresses_.size());
  return {};
}

base::Result<void> EdgeKeeper::listen_where_missing() {
  auto known = sockets_.size();
  if (auto opened = open_missing(options_.listen, false); !opened) return opened;
  if (auto opened = open_missing(options_.listen_tls, true); !opened) return opened;
  return channel_ ? hand_over(known) : base::Result<void>{};
}

base::Result<void> EdgeKeeper::open_missing(const std::vector<std::string>& listen, bool secure) {
  for (const auto& text : listen) {
    auto address = net::parse_address(text);
    if (!address) return std::unexpected(address.error());
    auto known = std::ranges::find(addresses_, net::to_string(*address));
    if (known != addresses_.end()) {
      if (secure_[static_cast<std::size_t>(known - addresses_.begin())] == secure) continue;
      return std::unexpected(base::Error(
          base::Kind::conflict, fmt::format("the running edge listens on {} {} TLS", text, secure ? "without" : "for"),
          "end it with `serai daemon stop --all`, or choose another address"));
    }
    auto socket = net::listen(*address);
    if (!socket) return std::unexpected(socket.error());
    auto bound = net::local_address(socket->get());
    addresses_.push_back(bound ? net::to_string(*bound) : text);
    secure_.push_back(secure);
    sockets_.push_back(std::move(*socket));
  }
  return {};
}

// Copies of our sockets from the one with index `from` on.
base::Result<void> EdgeKeeper::hand_over(std::size_t from) {
  control::Message message("listen");
  for (std::size_t i = from; i < sockets_.size(); i++) {
    auto copy = base::dup(sockets_[i].get());
    if (!copy) return std::unexpected(copy.error());
    message.descriptors.push_back(std::move(*copy));
    message.body()["secure"].push_back(static_cast<bool>(secure_[i]));
  }
  if (message.descriptors.empty()) return {};
  auto handed = ask(std::move(message));
  if (!handed) return std::unexpected(handed.error());
  return {};
}

base::Result<void> EdgeKeeper::spawn() {
  if (auto made = base::make_folders(options_.folder, 0755); !made) return made;
  if (auto owned = base::change_owner(options_.folder, options_.identity.uid, options_.identity.gid); !owned)
    return owned;
  auto log = open_edge_log(options_.folder);
  if (!log) return std::unexpected(log.error());
  base::Command command;
  command.argv = {"/proc/self/exe", "edge", "--folder", options_.folder.string()};
  command.argv.insert(command.argv.end(), options_.arguments.begin(), options_.arguments.end());
  command.stdout_fd = command.stderr_fd = log->get();
  command.cwd = "/";
  command.in_child = [identity = options_.identity] {
    ::setsid();  // a Ctrl-C for the daemon is not for the edge
    raise_descriptor_limit();
    become_user(identity);
  };
  auto child = base::Child::spawn(command);
  if (!child) return std::unexpected(child.error());
  child_ = std::move(*child);
  return hand_over_sockets();
}

base::Result<void> EdgeKeeper::hand_over_sockets() {
  auto control = (options_.folder / "control.sock").string();
  auto deadline = Clock::now() + kStartLimit;
  for (;;) {
    auto channel = control::BlockingChannel::connect(control, {.role = "daemon"}, kAnswerLimit);
    if (channel) {
      channel_.emplace(std::move(*channel));
      break;
    }
    auto ended = child_.wait_for(milliseconds(20));
    if (ended && *ended) {
      return base::fail(base::Kind::unavailable, "the edge ended at once with {}; see {}", base::describe(**ended),
                        (options_.folder / "edge.log").string());
    }
    if (Clock::now() > deadline) return std::unexpected(channel.error());
  }
  if (!certificates_text_.empty()) {
    auto taken = ask(control::Message(json::parse(certificates_text_)));
    if (!taken) return std::unexpected(taken.error());
  }
  if (!routes_.empty()) {
    if (auto applied = ask(control::Message(json::parse(routes_))); !applied) return std::unexpected(applied.error());
  }
  return hand_over(0);
}

// Reads the files; what the edge takes is kept for the next one.
base::Result<void> EdgeKeeper::give_certificates() {
  auto text = certificates_.read();
  if (!text) return std::unexpected(text.error());
  auto taken = ask(control::Message(json::parse(*text)));
  if (!taken) {
    if (taken.error().kind() != base::Kind::invalid) certificates_.forget();  // nobody has judged them
    return std::unexpected(taken.error());
  }
  certificates_text_ = std::move(*text);
  for (const auto& sentence : taken->body().value("warnings", std::vector<std::string>{}))
    base::log(base::Level::warning, "tls.certificate", {}, sentence);
  return {};
}

void EdgeKeeper::renew_certificates() {
  std::lock_guard lock(mutex_);
  if (!certificates_.are_wanted() || !channel_) return;
  if (auto given = give_certificates(); !given) {
    base::log(base::Level::error, "tls.not_renewed",
              {{"error", given.error().describe()}, {"advice", given.error().advice()}}, "the old certificates stay");
    return;
  }
  base::log(base::Level::info, "tls.renewed", {}, "new TLS handshakes use the certificates that are on disk now");
}

// One question and its answer; under the mutex, or before the watcher runs.
base::Result<control::Message> EdgeKeeper::ask(control::Message message) {
  if (!channel_) return base::fail(base::Kind::unavailable, "the edge is not running");
  auto type = message.type();
  auto id = ++questions_;
  message.body()["id"] = id;
  if (auto sent = channel_->send(std::move(message)); !sent) return base::wrap(sent.error(), "tell the edge: " + type);
  auto answer = channel_->receive(kAnswerLimit);
  // An earlier question's answer may have come too late for it.
  while (answer && !answers(*answer, id)) answer = channel_->receive(kAnswerLimit);
  if (!answer) return base::wrap(answer.error(), "wait for the edge's answer: " + type);
  if (answer->type() == "error") {
    const auto& body = answer->body();
    return std::unexpected(
        base::Error(base::kind_named(body.value("kind", "")), body.value("message", ""), body.value("advice", ""))
            .add_context("tell the edge: " + type));
  }
  return answer;
}

base::Result<void> EdgeKeeper::apply(const json& routes) {
  std::lock_guard lock(mutex_);
  routes_ = routes.dump();  // kept even when the edge is down: it gets the newest table when it is back
  auto answer = ask(control::Message(routes));
  if (!answer) return std::unexpected(answer.error());
  return {};
}

base::Result<json> EdgeKeeper::counters() {
  std::lock_guard lock(mutex_);
  auto answer = ask(control::Message("counters"));
  if (!answer) return std::unexpected(answer.error());
  return answer->body();
}

base::Result<Traffic> EdgeKeeper::traffic(const std::string& app) {
  auto all = counters();
  if (!all) return std::unexpected(all.error());
  const auto apps = all->value("apps", json::object());
  if (!apps.contains(app)) return Traffic{};
  const auto& counted = apps[app];
  auto number = [](const json& from, const char* name) { return from.value(name, std::uint64_t{0}); };
  Traffic traffic{.requests = number(counted, "requests"), .failed = number(counted, "upstream_errors")};
  if (auto split = counted.find("split"); split != counted.end()) {
    const auto& second = split->at("second");
    traffic.by_second = number(second, "requests");
    traffic.second_wrong = number(second.at("status"), "5xx");
  }
  return traffic;
}

std::vector<std::string> EdgeKeeper::addresses() const {
  std::lock_guard lock(mutex_);
  return addresses_;
}

base::Result<void> EdgeKeeper::stop() {
  ::eventfd_write(stop_.get(), 1);
  if (watcher_.joinable()) watcher_.join();
  std::lock_guard lock(mutex_);
  auto draining = ask(control::Message(json{{"type", "drain"}, {"timeout", 5}}));
  if (!draining) return std::unexpected(draining.error());
  pollfd closed{channel_->fd(), POLLRDHUP, 0};
  ::poll(&closed, 1, 10'000);
  if (child_.is_running()) (void)child_.wait_for(milliseconds(10'000));
  child_ = base::Child();
  channel_.reset();
  return {};
}

void EdgeKeeper::watch() {
  for (;;) {
    int fd;
    {
      std::lock_guard lock(mutex_);
      fd = channel_ ? channel_->fd() : -1;
    }
    pollfd fds[2] = {{stop_.get(), POLLIN, 0}, {fd, POLLRDHUP, 0}};
    int n = ::poll(fds, 2, fd < 0 ? 500 : kLogCheck);
    if (n > 0 && fds[0].revents) return;
    if (fd < 0 || (n > 0 && fds[1].revents)) {
      revive();
    } else {
      rotate_logs();
      if (certificates_have_changed()) renew_certificates();
    }
  }
}

bool EdgeKeeper::certificates_have_changed() {
  std::lock_guard lock(mutex_);
  return certificates_.are_wanted() && certificates_.have_changed();
}

// The folder is the edge user's: names in it are only renamed, and never followed.
void EdgeKeeper::rotate_logs() {
  bool access = rotate_if_large(options_.folder / "access.log");
  bool errors = rotate_if_large(options_.folder / "edge.log");
  if (!access && !errors) return;
  std::lock_guard lock(mutex_);
  control::Message message("reopen_logs");
  if (auto log = open_edge_log(options_.folder)) message.descriptors.push_back(std::move(*log));
  if (auto reopened = ask(std::move(message)); !reopened) {
    base::log(base::Level::warning, "edge.logs", {{"error", reopened.error().describe()}},
              "the edge goes on writing into its old logs");
  }
}

void EdgeKeeper::revive() {
  std::lock_guard lock(mutex_);
  channel_.reset();
  std::string why = "its control socket closed";
  if (child_.is_running()) {
    (void)child_.signal(SIGKILL);
    if (auto status = child_.wait()) why = base::describe(*status);
  } else if (adopted_.is_open()) {  // it must not go on beside its successor
    ::syscall(SYS_pidfd_send_signal, adopted_.get(), SIGKILL, nullptr, 0);
    pollfd ended{adopted_.get(), POLLIN, 0};
    ::poll(&ended, 1, 5'000);
    adopted_.close();
  }
  base::log(base::Level::error, "edge.died", {{"why", why}}, "the edge is started again with its sockets");
  if (auto spawned = spawn(); !spawned) {
    channel_.reset();
    base::log(base::Level::error, "edge.start", {{"error", spawned.error().describe()}},
              "the edge does not start; trying again");
  }
}

}  // namespace control_plane
