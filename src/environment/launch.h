// environment::Launch: the journey of one start as named steps with states, times and captured output, so that a start
// that fails explains itself. One thread at a time; the observer is called on that thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace environment {

enum class StepState { running, done, failed };

struct Step {
  using Clock = std::chrono::steady_clock;
  std::string name;
  StepState state = StepState::running;
  Clock::time_point began, ended;
  std::string detail;  // one line for people: "uid 1879048210", "cpu 1.0, memory 512 MiB, 256 processes"
  std::string output;  // what the step's programs printed
};

class LaunchObserver {
 public:
  virtual ~LaunchObserver() = default;
  virtual void on_step(const Step&) {}  // began, done or failed
  virtual void on_output(const Step&, std::string_view /*bytes*/) {}
};

class Launch {
 public:
  explicit Launch(LaunchObserver* observer = nullptr) : observer_(observer) {}

  void begin(std::string name);
  void add_output(std::string_view bytes);
  void done(std::string detail = {});
  void failed(const base::Error& error);
  const std::vector<Step>& steps() const { return steps_; }

  // Runs `work` (giving a base::Result) as one step.
  template <typename Work>
  auto step(std::string name, Work&& work) {
    begin(std::move(name));
    auto result = work();
    if (result)
      done();
    else
      failed(result.error());
    return result;
  }

 private:
  Step& current() { return steps_.back(); }
  std::vector<Step> steps_;
  LaunchObserver* observer_;
};

}  // namespace environment
