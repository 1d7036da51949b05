// cli::DeployView: a deploy's events as lines for people (UX.md, "First minute").
#pragma once

#include <iosfwd>
#include <string>

#include "cli/context.h"

namespace cli {

class DeployView {
 public:
  // `live`: rewrite the line of the running step, as a terminal can. `colours`: mark failures.
  DeployView(std::ostream& out, bool live, bool colours) : out_(out), live_(live), colours_(colours) {}
  void show(const json& event);
  // The exit code that the deploy's last event asks for; 1 until there was one.
  int exit_code() const { return exit_code_; }

 private:
  void show_step(const json& event);
  void show_failure(const json& event);
  void show_done(const json& event);
  void clear_running();

  std::ostream& out_;
  bool live_, colours_;
  bool line_is_open_ = false;
  int exit_code_ = 1;
};

// Shows a deploy until it ends; the exit code.
Result<int> follow_deploy(const Context& context, const Result<std::string>& deploy);

// "212 ms", "1.8 s", "2 min 5 s".
std::string duration_text(double milliseconds);
// Local time, "2026-11-23 07:30:12".
std::string time_text(long long seconds_since_epoch);
// How many columns a UTF-8 text takes, roughly: continuation bytes do not count.
std::size_t columns(std::string_view text);
std::string padded(std::string_view text, std::size_t width);

}  // namespace cli
