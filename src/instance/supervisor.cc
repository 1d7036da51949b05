#include "instance/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace instance {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// SIGTERM to a supervisor is an accident or an operator's mistake; the instance ends by `stop` on its socket.
void ignore_signals() {
  for (int number : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(number, SIG_IGN);
}

// A message whose fields have the wrong types is dropped, whoever sent it.
template <typename Work>
void guarded(Work&& work) {
  try {
    work();
  } catch (const json::exception&) {
  }
}

}  // namespace

base::Result<void> Supervisor::set_up(Report& report) {
  ignore_signals();
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  auto network = Network::make(plan_.network);
  if (!network) return std::unexpected(network.error());
  interface_ = network->interface_index();
  address_ = network->address();
  auto init = start_init(plan_, *network);
  if (!init) return std::unexpected(init.error());
  init_ = std::move(*init);
  service_listeners_ = network->take_listeners();
  report.step("view");
  auto logs = base::open(plan_.logs_folder, O_PATH | O_DIRECTORY);
  auto events = base::open(plan_.events_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (!logs) return std::unexpected(logs.error());
  if (!events) return std::unexpected(events.error());
  logs_ = std::move(*logs);
  history_ = std::make_unique<History>(std::move(*events));
  auto control = control::Listener::listen(*loop_, plan_.control_socket, {},
                                           [this](base::Fd socket, uid_t) { on_peer(std::move(socket)); });
  if (!control) return std::unexpected(control.error());
  control_ = std::move(*control);
  return become_supervisor(plan_);
}

base::Result<void> Supervisor::run(Report report) {
  report_ = std::make_unique<Report>(std::move(report));
  auto channel = control::Channel::open(
      *loop_, std::move(init_.socket), {.role = "supervisor"},
      {.on_hello = {},
       .on_message = [this](const control::Message& message) { guarded([&] { on_init(message); }); },
       .on_closed = [](std::optional<base::Error>) {}});
  if (!channel) return std::unexpected(channel.error());
  init_channel_ = std::move(*channel);
  if (auto added = loop_->add(init_.pidfd.get(), EPOLLIN, *this); !added) return added;
  auto services = Services::open(*loop_, plan_.network.services, std::move(service_listeners_));
  if (!services) return std::unexpected(services.error());
  services_ = std::move(*services);
  oom_kills_seen_ = oom_kills();
  Supervised::Host host{*loop_,
                        plan_,
                        logs_,
                        listener_,
                        [this](control::Message message) { (void)init_channel_->send(std::move(message)); },
                        [this](json happened) { event(std::move(happened)); },
                        [this] { return memory_ran_out(); },
                        [this] { on_changed(); }};
  to_report_ = plan_.processes.size();
  for (auto& process : plan_.processes) {
    processes_.push_back(std::make_unique<Supervised>(host, process));
    if (auto started = processes_.back()->start(); !started) return started;
  }
  loop_->run();
  return {};
}

void Supervisor::on_init(const control::Message& message) {
  auto process = find(message.body().value("process", ""));
  if (!process) return;
  if (report_) report_start(message);
  if (message.type() == "started") process->on_started(message.body().value("pid", 0));
  if (message.type() == "start_failed") process->on_start_failed(message.body().value("error", json::object()));
  if (message.type() == "exited") process->on_exited(message.body());
  if (message.type() == "note") process->note(message.body().value("text", ""));
}

// The first start decides: a program that is not there ends the instance at once, with the reason.
void Supervisor::report_start(const control::Message& message) {
  if (message.type() == "start_failed") {
    auto error = error_from_json(message.body().value("error", json::object()));
    report_->error(error.add_context(fmt::format("start process \"{}\"", message.body().value("process", ""))));
    report_.reset();
    retire_all();
    kill_all();
  } else if (message.type() == "started" && --to_report_ == 0) {
    report_->step("processes");
    report_->tell({{"ok",
                    {{"supervisor", ::getpid()},
                     {"init", init_.pid},
                     {"network", {{"interface", interface_}, {"address", address_}}}}}});
    report_.reset();
  }
}

Supervised* Supervisor::find(const std::string& name) {
  for (auto& process : processes_)
    if (process->name() == name) return process.get();
  return nullptr;
}

void Supervisor::on_peer(base::Fd socket) {
  auto client = std::make_unique<Client>();
  Client* raw = client.get();
  auto channel = control::Channel::open(
      *loop_, std::move(socket), {.role = "supervisor"},
      {.on_hello = {},
       .on_message = [this,
                      raw](const control::Message& message) { guarded([&] { on_request(*raw, message.body()); }); },
       .on_closed =
           [this, raw](std::optional<base::Error>) {
             loop_->post([this, raw] { std::erase_if(clients_, [raw](auto& one) { return one.get() == raw; }); });
           }});
  if (!channel) return;
  client->channel = std::move(*channel);
  clients_.push_back(std::move(client));
}

void Supervisor::on_request(Client& client, const json& request) {
  auto type = request.value("type", "");
  auto process = find(request.value("process", ""));
  json answer = {{"type", "done"}};
  if (type == "subscribe") {
    return subscribe(client, request.value("after", 0L));
  } else if (type == "status") {
    answer = status();
  } else if (type == "drain") {
    retire_all();
    for (auto& each : processes_) each->signal(SIGTERM);
  } else if (type == "stop") {
    stop(milliseconds(request.value("graceful_timeout_ms", plan_.graceful_timeout_ms)));
  } else if ((type == "signal" || type == "server") && !process) {
    answer =
        control::error_message({base::Kind::not_found, fmt::format("no process \"{}\"", request.value("process", ""))})
            .body();
  } else if (type == "signal") {
    process->signal(request.value("signal", SIGTERM));
  } else if (type == "server") {
    process->tell_server(request.value("message", json::object()));
  } else {
    answer = control::error_message({base::Kind::unsupported, fmt::format("unknown request \"{}\"", type)}).body();
  }
  (void)client.channel->send(control::Message(std::move(answer)));
}

void Supervisor::subscribe(Client& client, long after) {
  client.subscribed = true;
  for (const auto& happened : history_->events())
    if (happened.value("number", 0L) > after) (void)client.channel->send(control::Message(happened));
}

void Supervisor::event(json happened) {
  const json& kept = history_->add(std::move(happened));
  for (auto& client : clients_)
    if (client->subscribed && client->channel->is_open()) (void)client->channel->send(control::Message(kept));
}

json Supervisor::status() const {
  json list = json::array();
  for (const auto& process : processes_) list.push_back(process->status());
  return {{"type", "status"},
          {"app", plan_.app},
          {"id", plan_.id},
          {"processes", list},
          {"stopping", stopping_},
          {"out_of_memory_kills", oom_kills()},
          {"last_event", history_->last_number()},
          {"supervisor", ::getpid()},
          {"init", init_.pid}};
}

void Supervisor::retire_all() {
  for (auto& process : processes_) process->retire();
}

void Supervisor::stop(milliseconds graceful_timeout) {
  if (!stopping_) event({{"event", "stopping"}});
  stopping_ = true;
  retire_all();
  for (auto& process : processes_) process->signal(SIGTERM);
  patience_ = std::make_unique<net::Timer>(*loop_, [this] { kill_all(); });
  patience_->set_after(graceful_timeout);
  on_changed();
}

void Supervisor::kill_all() { (void)init_channel_->send(control::Message("kill_all")); }

// Once nothing runs and nothing will: what is left in the instance goes, then init, then the supervisor itself.
void Supervisor::on_changed() {
  bool all_ended = true, all_quiet = true;
  for (const auto& process : processes_) {
    all_ended = all_ended && process->state() == Supervised::State::ended;
    all_quiet = all_quiet && process->is_quiet();
  }
  if (all_ended && !init_ended_) kill_all();
  if (all_quiet && init_ended_) {
    event({{"event", "ended"}});
    loop_->stop();
  }
}

void Supervisor::on_ready(std::uint32_t) {
  int status = 0;
  ::waitpid(init_.pid, &status, 0);
  loop_->remove(init_.pidfd.get(), *this);
  init_ended_ = true;
  retire_all();
  // Its last messages may still be on their way: they are read in this turn or the next, before anything is concluded.
  loop_->post([this, status] {
    for (auto& process : processes_) {
      if (process->state() == Supervised::State::running) {
        process->on_exited(WIFSIGNALED(status) ? json{{"signal", WTERMSIG(status)}} : json{{"signal", SIGKILL}});
      }
    }
    if (report_) report_->error({base::Kind::internal, "the instance ended while it was started"});
    report_.reset();
    on_changed();
  });
}

long Supervisor::oom_kills() const {
  std::ifstream file(plan_.oom_counter);
  long count = 0;
  for (std::string key; file >> key;)
    if (key == "oom_kill" && file >> count) return count;
  return 0;
}

bool Supervisor::memory_ran_out() {
  long now = oom_kills();
  bool more = now > oom_kills_seen_;
  oom_kills_seen_ = now;
  return more;
}

int supervise(Plan plan, base::Fd listener, Report report) {
  Supervisor supervisor(std::move(plan), std::move(listener));
  auto done = supervisor.set_up(report);
  if (!done) {
    report.error(done.error());
    return 1;
  }
  done = supervisor.run(std::move(report));
  return done ? 0 : 1;
}

}  // namespace instance
