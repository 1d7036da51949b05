#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "edge/server.h"

namespace edge {
namespace {

// Tells signals to a function on the loop's thread.
class Signals final : net::Pollable {
 public:
  Signals(net::Loop& loop, std::function<void(int)> on_signal) : loop_(loop), on_signal_(std::move(on_signal)) {}
  ~Signals() {
    if (fd_.is_open()) loop_.remove(fd_.get(), *this);
  }
  base::Result<void> open() {
    sigset_t set;
    ::sigemptyset(&set);
    for (int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::sigaddset(&set, number);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) < 0) return base::errno_error("block signals");
    fd_ = base::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_.is_open()) return base::errno_error("open a signal descriptor");
    return loop_.add(fd_.get(), EPOLLIN, *this);
  }

 private:
  void on_ready(std::uint32_t) override {
    signalfd_siginfo info;
    while (::read(fd_.get(), &info, sizeof info) == sizeof info) on_signal_(static_cast<int>(info.ssi_signo));
  }
  net::Loop& loop_;
  base::Fd fd_;
  std::function<void(int)> on_signal_;
};

// As many descriptors as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // then the old limit holds
}

}  // namespace

base::Result<void> run(const Options& options) {
  raise_descriptor_limit();
  ::signal(SIGPIPE, SIG_IGN);  // sendfile(2) to a client that left has no other way to be quiet
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  std::unique_ptr<Server> server;
  int stops = 0;
  Signals signals(**loop, [&](int number) {
    if (number == SIGHUP || number == SIGUSR1) return server->reopen_logs();
    if (stops++ == 0)
      server->drain(options.timeouts.drain);
    else
      (*loop)->stop();  // asked twice: at once
  });
  if (auto opened = signals.open(); !opened) return opened;  // before any thread is started: they inherit the mask
  auto created = Server::create(**loop, options);
  if (!created) return std::unexpected(created.error());
  server = std::move(*created);
  server->on_drained([&] { (*loop)->stop(); });
  (*loop)->run();
  base::log(base::Level::info, "edge.stopped", {}, "every request was answered or given up");
  return {};
}

}  // namespace edge
