#include "instance/machine/emulator.h"

#include <signal.h>
#include <sys/socket.h>

#include "instance/machine/qmp.h"

namespace instance {
namespace {

constexpr std::chrono::seconds kQuitPatience{2};
constexpr std::size_t kTail = 4 << 10;

}  // namespace

Emulator::Emulator(net::Loop& loop, OnEnded on_ended)
    : loop_(loop), on_ended_(std::move(on_ended)), patience_(loop, [this] { (void)child_.signal(SIGKILL); }) {}

Emulator::~Emulator() {
  if (watching_) loop_.remove(child_.pidfd(), *this);
  if (child_.is_running()) (void)child_.signal(SIGKILL);
}

base::Result<Emulator::Started> Emulator::start(net::Loop& loop, const std::vector<std::string>& argv,
                                                OnEnded on_ended) {
  auto emulator = std::make_unique<Emulator>(loop, std::move(on_ended));
  auto port = base::socketpair(SOCK_STREAM);
  auto qmp = base::socketpair(SOCK_STREAM);
  auto console = base::pipe();
  if (!port || !qmp || !console) return base::errno_error("create the machine's sockets");
  base::Command command;
  command.argv = argv;
  command.env = std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=/nonexistent"};
  command.cwd = "/";
  command.stdout_fd = command.stderr_fd = console->write.get();
  command.keep = {{port->theirs.get(), kPortNumber}, {qmp->theirs.get(), kQmpNumber}};
  auto child = base::Child::spawn(command);
  if (!child) return base::wrap(child.error(), "start QEMU");
  emulator->child_ = std::move(*child);
  auto* raw = emulator.get();
  auto answers = base::dup(qmp->ours.get());
  if (!answers) return std::unexpected(answers.error());
  auto lines = Output::open(loop, std::move(*answers), [raw](std::string_view line) { raw->on_qmp(line); }, [] {});
  auto text =
      Output::open(loop, std::move(console->read), [raw](std::string_view line) { raw->on_console(line); }, [] {});
  if (!lines) return std::unexpected(lines.error());
  if (!text) return std::unexpected(text.error());
  emulator->answers_ = std::move(*lines);
  emulator->console_ = std::move(*text);
  emulator->qmp_ = std::move(qmp->ours);
  if (auto added = loop.add(raw->child_.pidfd(), EPOLLIN, *raw); !added) return std::unexpected(added.error());
  emulator->watching_ = true;
  return Started{std::move(emulator), std::move(port->ours)};
}

void Emulator::tell(std::string_view command) { (void)base::write_some(qmp_.get(), qmp_command(command)); }

void Emulator::on_qmp(std::string_view line) {
  auto message = parse_qmp(line);
  if (!message) return;
  if (message->kind == QmpMessage::Kind::greeting) tell("qmp_capabilities");
  if (message->kind != QmpMessage::Kind::event) return;
  if (message->name == "GUEST_PANICKED") reason_ = "the guest's kernel panicked";
  if (message->name == "SHUTDOWN" && message->detail == "guest-reset") reason_ = "the guest's kernel ended itself";
  if (message->name == "SHUTDOWN" && message->detail == "guest-shutdown" && reason_.empty())
    reason_ = "the guest switched itself off";
}

void Emulator::on_console(std::string_view line) {
  if (line.empty()) return;
  tail_.append(line) += '\n';
  if (tail_.size() > kTail) tail_.erase(0, tail_.size() - kTail / 2);
}

void Emulator::quit() {
  tell("quit");
  patience_.set_after(kQuitPatience);
}

std::string Emulator::last_words() const {
  auto end = tail_.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  auto begin = tail_.rfind('\n', end);
  return tail_.substr(begin == std::string::npos ? 0 : begin + 1,
                      end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

std::string Emulator::explain(const base::ExitStatus& status) const {
  auto what =
      "the virtual machine ended: " + (!reason_.empty() ? reason_ : "QEMU ended with " + base::describe(status));
  auto words = last_words();
  return words.empty() ? what : what + " (last on its console: " + words + ")";
}

void Emulator::on_ready(std::uint32_t) {
  loop_.remove(child_.pidfd(), *this);
  watching_ = false;
  console_->drain();
  answers_->drain();
  auto status = child_.wait();
  auto what = status ? explain(*status) : status.error().describe();
  loop_.post([on_ended = on_ended_, what] { on_ended(what); });
}

}  // namespace instance
