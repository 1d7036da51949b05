// serai compare APP: the live release, off the routes, in each kind of environment that this host can do, under the
// same verified load (docs/compare.md).
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <random>

#include "cli/command.h"
#include "cli/compare_view.h"
#include "client/trial.h"
#include "compare/report.h"
#include "environment/kind.h"

namespace cli {
namespace {

constexpr int kInterrupted = 130;  // 128 + SIGINT, as a shell says it

struct Options {
  std::string target, path = "/", verify;
  std::vector<std::string> kinds;
  double rate = 0, seconds = 2;
  unsigned rounds = 10, starts = 5, cold_starts = 1, connections = 16;
  std::uint64_t seed = 0;
  bool without_data = false;
};

// What Ctrl-C and SIGTERM end: the trial, and with it the call that is waited for.
const client::Trial* interrupted_trial = nullptr;
volatile std::sig_atomic_t interruption = 0;

void interrupt(int number) {
  interruption = number;
  if (interrupted_trial) interrupted_trial->hang_up();
}

class Interruptible {
 public:
  explicit Interruptible(const client::Trial& trial) {
    interrupted_trial = &trial;
    struct sigaction action{};
    action.sa_handler = interrupt;  // without SA_RESTART: what waits for the generator is to wake up
    for (int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  }
  ~Interruptible() {
    for (int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);
    interrupted_trial = nullptr;
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
};

// One line on a terminal that says what goes on.
class Progress {
 public:
  explicit Progress(const Context& context) : shown_(::isatty(2) != 0 && !context.json_output) {}
  ~Progress() {
    if (shown_) std::cerr << "\r\033[K" << std::flush;
  }
  void tell(const std::string& text) const {
    if (shown_) std::cerr << "\r\033[K  " << text << " …" << std::flush;
  }

 private:
  bool shown_;
};

Result<compare::Plan> plan_of(const Options& options) {
  compare::Plan plan{.kinds = options.kinds,
                     .path = options.path,
                     .rate = options.rate,
                     .round = std::chrono::milliseconds(std::llround(options.seconds * 1000)),
                     .rounds = options.rounds,
                     .starts = options.starts,
                     .cold_starts = options.cold_starts,
                     .connections = options.connections,
                     .seed = options.seed != 0 ? options.seed : std::random_device()(),
                     .with_data = !options.without_data};
  for (const auto& kind : plan.kinds)
    if (auto known = environment::parse_kind(kind); !known) return std::unexpected(known.error());
  if (auto checked = compare::check(plan); !checked) return std::unexpected(checked.error());
  return plan;
}

Result<std::optional<compare::Check>> check_of(const Options& options) {
  if (options.verify.empty()) return std::nullopt;
  auto check = compare::parse_check(options.verify);
  if (!check) return std::unexpected(check.error());
  return *check;
}

void tell_data(const Context& context, const json& facts) {
  if (context.json_output) return;
  const auto& data = facts.at("data");
  std::cerr << fmt::format(
      "  data        a copy of {} files, {:.1f} MiB; variables are the app's own, and what they lead to\n",
      data.value("files", 0), data.value("bytes", 0.0) / (1 << 20));
  if (data.value("changed_meanwhile", false))
    std::cerr << "  beware      the app wrote to its files while they were copied: a copy may be torn\n";
}

Result<int> compare_app(const Context& context, const Options& options) {
  auto plan = plan_of(options);
  if (!plan) return std::unexpected(plan.error());
  auto check = check_of(options);
  if (!check) return std::unexpected(check.error());
  auto trial = client::Trial::begin(context.root, options.target, plan->with_data);
  if (!trial) return base::wrap(trial.error(), "compare " + options.target);
  Interruptible interruptible(*trial);
  if (plan->with_data) tell_data(context, trial->facts());
  Result<compare::Outcome> outcome = [&] {
    Progress progress(context);
    return compare::Comparison(*trial, *plan, *check, [&](const std::string& text) { progress.tell(text); }).run();
  }();
  auto ended = trial->end();
  if (interruption != 0) {
    std::cerr << "serai: stopped; nothing of the comparison is left\n";
    return kInterrupted;
  }
  if (!outcome) return base::wrap(outcome.error(), "compare " + options.target);
  if (!ended) return base::wrap(ended.error(), "end the comparison");
  return print(context, compare::to_json(*outcome), [](const json& report) { show_comparison(report, std::cout); });
}

}  // namespace

void add_compare(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "compare",
                              "Measure an app's release in each kind of environment, under the same verified load",
                              "serai compare mysite --kinds shared,container --rate 100", options, compare_app);
  command->add_option("app", options->target, "The app's name")->required();
  command->add_option("--kinds", options->kinds, "The kinds of environment (default: all that this host can do)")
      ->delimiter(',');
  command->add_option("--path", options->path, "What is asked for, with GET")->capture_default_str();
  command->add_option("--rate", options->rate, "Requests per second (default: 40 % of what the weakest kind can do)");
  command->add_option("--seconds", options->seconds, "How long a round lasts, for each placement")
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "How many rounds, at least 6; 0: starts only")
      ->capture_default_str();
  command->add_option("--starts", options->starts, "How often it is started in each kind")->capture_default_str();
  command->add_option("--cold-starts", options->cold_starts, "How many of the starts are cold, the first ones")
      ->capture_default_str();
  command->add_option("--connections", options->connections, "How many connections the requests share")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "For the order of the rounds and the times of the requests");
  command->add_option("--verify", options->verify,
                      "What every answer must have in common with the reference: body, length or status (default: the "
                      "strictest that holds)");
  command->add_flag("--without-data", options->without_data, "Begin with empty data folders instead of a copy");
}

}  // namespace cli
