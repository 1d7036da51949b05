// instance::Supervisor: outlives the daemon; keeps one instance's processes running, their logs and the causes of their
// ends, and answers daemons that connect. The messages are described in environment/supervisor.h.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "control/channel.h"
#include "control/listener.h"
#include "instance/history.h"
#include "instance/namespaces.h"
#include "instance/services.h"
#include "instance/supervised.h"

namespace instance {

// Starts the instance, tells `report`, supervises it to its end. The exit code of the program.
int supervise(Plan plan, base::Fd listener, Report report);

class Supervisor final : net::Pollable {
 public:
  Supervisor(Plan plan, base::Fd listener) : plan_(std::move(plan)), listener_(std::move(listener)) {}
  // The part that needs rights, up to giving them up.
  base::Result<void> set_up(Report& report);
  // Starts the processes, reports, then runs until the instance has ended.
  base::Result<void> run(Report report);

 private:
  struct Client {
    std::unique_ptr<control::Channel> channel;
    bool subscribed = false;
  };
  void on_ready(std::uint32_t) override;  // init ended
  void on_init(const control::Message& message);
  void on_peer(base::Fd socket);
  void on_request(Client& client, const nlohmann::json& request);
  void subscribe(Client& client, long after);
  void event(nlohmann::json event);
  void stop(std::chrono::milliseconds graceful_timeout);
  void retire_all();
  void kill_all();
  void on_changed();
  void report_start(const control::Message& message);
  nlohmann::json status() const;
  Supervised* find(const std::string& name);
  bool memory_ran_out();
  long oom_kills() const;

  Plan plan_;
  base::Fd listener_, logs_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<History> history_;
  unsigned interface_ = 0;  // its own network's, on the host
  std::string address_;     // and where it is reached
  std::vector<base::Fd> service_listeners_;
  std::unique_ptr<Services> services_;
  Init init_;
  std::unique_ptr<control::Channel> init_channel_;
  std::unique_ptr<control::Listener> control_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Supervised>> processes_;
  std::unique_ptr<Report> report_;  // until the start is reported
  std::size_t to_report_ = 0;       // processes whose start is not known yet
  std::unique_ptr<net::Timer> patience_;
  long oom_kills_seen_ = 0;
  bool stopping_ = false, init_ended_ = false;
};

}  // namespace instance
