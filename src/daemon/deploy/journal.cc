#include "daemon/deploy/journal.h"

#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace control_plane {
namespace {

constexpr std::size_t kShortestSecret = 6;  // shorter values would blot out ordinary words

// The last lines of an output, when nothing better is known about it.
std::string tail(const std::string& text, int lines) {
  auto begin = text.size();
  while (begin > 0 && lines >= 0) {
    begin--;
    if (text[begin] == '\n' && begin + 1 != text.size()) lines--;
  }
  return text.substr(begin == 0 ? 0 : begin + 1);
}

}  // namespace

std::string duration_text(std::chrono::milliseconds duration) {
  auto count = duration.count();
  return count < 1000 ? fmt::format("{} ms", count) : fmt::format("{:.1f} s", static_cast<double>(count) / 1000);
}

Result<void> Journal::begin(const std::string& step) {
  record_.step = step;
  step_began_ = std::chrono::steady_clock::now();
  output_.clear();
  if (auto saved = save(); !saved) return saved;
  publish({{"event", "step"}, {"step", step}, {"state", "started"}});
  crash_if_asked(step);
  return {};
}

void Journal::done(const std::string& text, const std::string& note) {
  publish({{"event", "step"},
           {"step", record_.step},
           {"state", "done"},
           {"text", text},
           {"note", note},
           {"ms", since_begin().count()}});
  crash_if_asked(record_.step + ":after");
}

std::chrono::milliseconds Journal::since_begin() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - step_began_);
}

void Journal::note(const std::string& text) { publish({{"event", "note"}, {"step", record_.step}, {"text", text}}); }

void Journal::output(const std::string& text) {
  if (!text.empty()) publish({{"event", "output"}, {"step", record_.step}, {"text", without_secrets(text)}});
}

void Journal::publish(const nlohmann::json& event) { services_.feed.publish(record_.id, event); }

void Journal::keep_output(app::Stage stage, std::string output) {
  stage_ = stage;
  output_ = std::move(output);
}

std::string Journal::without_secrets(std::string text) const {
  for (const auto& [name, value] : secrets_) {
    if (value.size() < kShortestSecret) continue;
    for (std::size_t at = 0; (at = text.find(value, at)) != std::string::npos;)
      text.replace(at, value.size(), "(secret)");
  }
  return text;
}

void Journal::succeed(const nlohmann::json& event) { finish(DeployState::succeeded, event); }

void Journal::fail(const base::Error& error, const std::string& still_serving) {
  nlohmann::json event{{"event", "failed"},
                       {"step", record_.step},
                       {"kind", base::kind_facts(error.kind()).name},
                       {"found", without_secrets(error.describe())},
                       {"advice", error.advice()},
                       {"still_serving", still_serving}};
  if (!output_.empty()) {
    auto diagnosis = app::classify(stage_, output_, lock_);
    event["output"] = without_secrets(diagnosis.excerpt.empty() ? tail(output_, 20) : diagnosis.excerpt);
    event["cause"] = without_secrets(diagnosis.cause);
    event["cause_code"] = diagnosis.code;
    if (!diagnosis.advice.empty()) event["advice"] = without_secrets(diagnosis.advice);
  }
  if (event["advice"] == "") event["advice"] = "correct what the output tells, and run it again";
  finish(DeployState::failed, std::move(event));
}

void Journal::finish(DeployState state, nlohmann::json event) {
  event["deploy"] = record_.id;
  event["app"] = record_.app;
  record_.state = state;
  record_.finished_at = now();
  // The event first: whoever sees a finished deploy has seen its last event.
  publish(event);
  if (auto saved = save(); !saved) {
    base::log(base::Level::error, "deploy.journal", {{"deploy", record_.id}, {"error", saved.error().describe()}},
              "the end of a deploy could not be journaled");
  }
  auto level = state == DeployState::succeeded ? base::Level::info : base::Level::warning;
  base::log(level, state == DeployState::succeeded ? "deploy.succeeded" : "deploy.failed",
            {{"deploy", record_.id}, {"app", record_.app}, {"kind", to_string(record_.kind)}, {"step", record_.step}},
            event.value("found", "done"));
}

void Journal::crash_if_asked(const std::string& place) const {
  if (services_.crash_at == place) ::kill(::getpid(), SIGKILL);
}

}  // namespace control_plane
