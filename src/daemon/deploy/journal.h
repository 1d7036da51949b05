// control_plane::Journal: one deploy's progress: written to the store before anything happens (so that a new daemon
// knows where it was), told to its watchers, and explained when it fails. Of one thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "app/classify.h"
#include "daemon/env_file.h"
#include "daemon/services.h"

namespace control_plane {

class Journal {
 public:
  Journal(Services& services, Deploy record) : services_(services), record_(std::move(record)) {}

  Deploy& record() { return record_; }
  const Deploy& record() const { return record_; }

  // Journals that `step` begins. Everything the step makes must be findable from the record, or be collected anyway.
  Result<void> begin(const std::string& step);
  // The step is done: "42 packages from uv.lock", "1.8 s, 40 cached".
  void done(const std::string& text, const std::string& note = {});
  // Writes the record as it is now, for things made within a step.
  Result<void> save() { return services_.store.update_deploy(record_); }
  void note(const std::string& text);
  void output(const std::string& text);  // what a step printed, for those who want all of it
  void publish(const nlohmann::json& event);

  // What a failing step printed, for the explanation; values of secrets are taken out of everything that is told.
  void keep_output(app::Stage stage, std::string output);
  void keep_lock(std::string file) { lock_ = std::move(file); }  // advice names it
  void keep_secrets(const Variables& values) { secrets_ = values; }
  std::string without_secrets(std::string text) const;
  std::chrono::milliseconds since_begin() const;

  // The end: the record is finished and the last event published.
  void succeed(const nlohmann::json& event);
  void fail(const base::Error& error, const std::string& still_serving);

 private:
  void crash_if_asked(const std::string& place) const;
  void finish(DeployState state, nlohmann::json event);

  Services& services_;
  Deploy record_;
  std::chrono::steady_clock::time_point step_began_;
  Variables secrets_;
  app::Stage stage_ = app::Stage::launch;
  std::string output_, lock_;
};

// "212 ms", "1.8 s".
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace control_plane
