// control_plane::Trial: the live release of an app, placed off the routes in several kinds of environment at once, to
// be measured (`serai compare`).
//
// A trial is an app of its own as far as the environments know: a user, a copy of the release and a copy of the data
// that are nobody else's, no routes, no row in the store. So whatever is measured cannot touch the live app's files, in
// any kind. It has the app's variables, though, and with them what they lead to (a database elsewhere). Only the web
// process is started; every kind gets one CPU.
//
// It lives as long as this object. What a daemon leaves that was killed the next one finds by its name
// (`sweep_trials`).
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/services.h"
#include "daemon/specs.h"
#include "environment/data/copy.h"
#include "environment/launch.h"
#include "environment/observe.h"
#include "net/address.h"

namespace control_plane {

// Names of trials, and with that of their instances, begin with it. No app's name has an underscore.
constexpr const char* kTrialPrefix = "trial_";

struct TrialOptions {
  bool with_data = true;  // else it begins with empty data folders
};

class Trial {
 public:
  // One step of a start, in order; together they are the time from the wish to the first answer.
  struct Stage {
    std::string name;
    std::chrono::nanoseconds length{0};
  };
  struct Placed {
    std::string name;
    environment::Kind kind = environment::Kind::shared;
    net::Address address;
    std::vector<Stage> stages;
    std::string furnished;  // what had to be made first, which is no part of the start
    bool is_emulated = false;
  };
  enum class PageCache {
    as_it_is,
    dropped,  // of the files that the instance will read: those that nobody has mapped
  };
  struct Turn {
    int app_cpu = -1, others_cpu = -1;  // -1: this host has one CPU, or cannot keep groups to theirs
  };
  struct Measured {
    std::chrono::nanoseconds cpu{0};
    allocation::LimitHits hits;
  };
  struct Observed {
    environment::Footprint footprint;
    std::vector<environment::Wall> walls;
    std::vector<std::string> output;  // the last lines that the web process printed
  };
  // Whether a kind can take part; the error says why not.
  struct Possible {
    environment::Kind kind;
    Result<void> possible;
  };

  // The app must be there with a web process; it may be stopped.
  static Result<std::unique_ptr<Trial>> begin(Services& services, const std::string& app, const TrialOptions& options);
  ~Trial() { end(); }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  std::vector<Possible> kinds();
  // Starts one more instance and waits for its first good answer. It runs until the next turn.
  Result<Placed> place(environment::Kind kind, PageCache page_cache);
  Result<void> remove(const std::string& name);
  // From now on only this one runs, on a CPU of its own; all others stand still. The empty name: none runs.
  Result<Turn> give_turn(const std::string& name);
  Result<Measured> measure(const std::string& name);
  Result<Observed> observe(const std::string& name);
  // Removes everything, also under a call that is at work, which then fails. Idempotent; safe from any thread.
  void end();
  bool has_ended() const { return ended_; }

  const std::string& id() const { return id_; }
  int release() const { return release_; }
  // The Host to ask with: as the live app's.
  const std::string& host() const { return host_; }
  const environment::Copied& data() const { return data_; }

 private:
  struct Running {
    environment::Kind kind;
    bool frozen = false;
  };
  Trial(Services& services, std::string app, std::string id)
      : services_(services), app_(std::move(app)), id_(std::move(id)) {}
  Result<void> load();
  Result<void> copy(const TrialOptions& options);
  Result<environment::InstanceSpec> spec(environment::Kind kind, const std::string& name);
  Result<Placed> start(const environment::InstanceSpec& spec);
  Result<environment::Step::Clock::time_point> wait_for_answer(const environment::Instance& instance);
  void drop_page_cache(environment::Kind kind) const;
  allocation::Limits limits(environment::Kind kind) const;
  Result<void> set_frozen(const std::string& name, Running& running, bool frozen);
  Result<Turn> cpus() const;
  Result<void> find(const std::string& name) const;

  Services& services_;
  std::string app_, id_, host_;
  int release_ = 0;
  Runnable runnable_;
  environment::Copied data_;
  std::mutex mutex_;  // one call at a time
  std::map<std::string, Running> running_;
  int count_ = 0;
  std::atomic<bool> ended_ = false;
  bool removed_ = false;
};

// Removes what trials of a daemon before this one left; their instances were destroyed already.
void sweep_trials(Services& services);

}  // namespace control_plane
