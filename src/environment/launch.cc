#include "environment/launch.h"

#include "base/error.h"

namespace environment {

void Launch::begin(std::string name) {
  steps_.push_back({.name = std::move(name), .state = StepState::running, .began = Step::Clock::now()});
  if (observer_) observer_->on_step(current());
}

void Launch::add_output(std::string_view bytes) {
  if (steps_.empty()) base::panic("Launch::add_output before begin");
  current().output.append(bytes);
  if (observer_) observer_->on_output(current(), bytes);
}

void Launch::done(std::string detail) {
  current().state = StepState::done;
  current().ended = Step::Clock::now();
  current().detail = std::move(detail);
  if (observer_) observer_->on_step(current());
}

void Launch::failed(const base::Error& error) {
  current().state = StepState::failed;
  current().ended = Step::Clock::now();
  current().detail = error.describe();
  if (observer_) observer_->on_step(current());
}

}  // namespace environment
