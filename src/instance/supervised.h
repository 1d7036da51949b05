// instance::Supervised: one process of an instance as its supervisor sees it: started through init, its output written
// to its log, restarted with back-off, its end explained.
//
//   waiting ──start──► running ──exit──► waiting (restart due) ──► …
//                        │                  │
//                        └──── exit while stopping, or Restart::never ──► ended
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/channel.h"
#include "instance/log_file.h"
#include "instance/output.h"
#include "instance/plan.h"

namespace instance {

class Supervised {
 public:
  enum class State { waiting, running, ended };
  struct Host {
    net::Loop& loop;
    const Plan& plan;
    const base::Fd& logs;
    const base::Fd& listener;  // may be empty
    std::function<void(control::Message)> to_init;
    std::function<void(nlohmann::json)> event;  // told with "event" and "process" set
    std::function<bool()> memory_ran_out;       // since it was last asked
    std::function<void()> changed;              // a process or an output ended
  };

  Supervised(Host host, Process process);
  ~Supervised();

  base::Result<void> start();
  void on_started(pid_t pid);
  void on_start_failed(const nlohmann::json& error);
  void on_exited(const nlohmann::json& message);
  void signal(int number);
  // A line of the platform's in its log.
  void note(std::string_view line) { say(line); }
  // No restarts any more.
  void retire();
  // To the process's own server (the engine's master). Dropped when it has none.
  void tell_server(const nlohmann::json& message);

  const std::string& name() const { return process_.name; }
  State state() const { return state_; }
  bool is_quiet() const;  // ended, with all of its output written
  nlohmann::json status() const;

 private:
  using Clock = net::Clock;
  base::Result<base::Fd> open_output(std::unique_ptr<Output>& output, const char* stream);
  base::Result<base::Fd> open_server();
  bool may_tell(const nlohmann::json& message);
  void on_server(control::Message message);
  void on_line(const char* stream, std::string_view line);
  void explain(const nlohmann::json& message, nlohmann::json& event);
  void schedule_restart(nlohmann::json& event);
  void say(std::string_view line);

  Host host_;
  Process process_;
  State state_ = State::waiting;
  pid_t pid_ = 0;  // as the instance numbers it
  int restarts_ = 0;
  bool retired_ = false;
  std::chrono::milliseconds pause_;
  Clock::time_point started_;
  std::unique_ptr<LogFile> log_;
  std::unique_ptr<Output> out_, err_;
  std::unique_ptr<control::Channel> server_;
  double allowance_ = 0;  // messages of its server that are passed on now
  Clock::time_point told_{};
  net::Timer restart_;
  std::string tail_;  // the last lines of its output
};

}  // namespace instance
