#include "compare/generator.h"

#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "base/error_json.h"
#include "base/fd.h"
#include "net/loop.h"

namespace compare {
namespace {

using nlohmann::json;

constexpr std::size_t kMostReport = 1 << 20;
constexpr std::chrono::seconds kBeyondPatience{10};

double ms(Histogram::Duration duration) { return static_cast<double>(duration.count()) / 1e6; }

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

json report(const LoadResult& result, double generator_share) {
  return {{"answers", result.answers},
          {"failures", result.failures},
          {"seconds", result.seconds},
          {"p50", ms(result.latency.quantile(0.5))},
          {"p99", ms(result.latency.quantile(0.99))},
          {"longest", ms(result.latency.longest())},
          {"lateness_p99", ms(result.lateness.quantile(0.99))},
          {"generator_share", generator_share}};
}

Sample sample_of(const json& report) {
  Sample sample;
  sample.answers = report.at("answers");
  sample.failures = report.at("failures").get<std::map<std::string, std::uint64_t>>();
  for (const auto& [reason, count] : sample.failures) sample.failed += count;
  sample.seconds = report.at("seconds");
  sample.p50 = report.at("p50");
  sample.p99 = report.at("p99");
  sample.longest = report.at("longest");
  sample.lateness_p99 = report.at("lateness_p99");
  sample.generator_share = report.at("generator_share");
  return sample;
}

json to_json(const Answers& answers) {
  json value{{"status", answers.status}};
  if (answers.bytes) value["bytes"] = *answers.bytes;
  if (answers.digest) value["digest"] = *answers.digest;
  return value;
}

// All that a child says until it ends or is out of time.
base::Result<std::string> read_report(int pipe, std::chrono::nanoseconds patience) {
  const auto deadline = net::Clock::now() + patience;
  std::string text;
  for (char chunk[4096]; text.size() < kMostReport;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - net::Clock::now()).count();
    pollfd polled{pipe, POLLIN, 0};
    int ready = left > 0 ? ::poll(&polled, 1, static_cast<int>(left)) : 0;
    if (ready < 0) return base::errno_error("wait for the load generator");
    if (ready == 0) return base::fail(base::Kind::unavailable, "the load generator does not come to an end");
    auto count = base::read_some(pipe, chunk);
    if (!count) return std::unexpected(count.error());
    if (count->value_or(0) == 0) return text;
    text.append(chunk, **count);
  }
  return base::fail(base::Kind::internal, "the load generator says too much");
}

}  // namespace

// System calls only would do, but between fork and this no other thread was left behind: the caller has none.
bool Generator::become_small() const {
  if (cpu_ >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<unsigned>(cpu_), &cpus);
    (void)::sched_setaffinity(0, sizeof cpus, &cpus);
  }
  for (int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);
  bool becomes = user_ && ::geteuid() == 0;
  if (becomes && (::setgroups(0, nullptr) < 0 || ::setresgid(user_->gid, user_->gid, user_->gid) < 0 ||
                  ::setresuid(user_->uid, user_->uid, user_->uid) < 0))
    return false;
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

base::Result<json> Generator::in_child(const std::function<base::Result<json>()>& work,
                                       std::chrono::nanoseconds patience) const {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return base::errno_error("start the load generator");
  if (pid == 0) {
    constexpr int kReport = 3;
    if (::dup2(pipe->write.get(), kReport) < 0 || ::close_range(kReport + 1, ~0U, 0) < 0) ::_exit(126);
    if (!become_small() || ::getppid() != parent) ::_exit(126);
    auto done = work();
    auto text = (done ? json{{"done", *done}} : json{{"error", base::to_json(done.error())}}).dump();
    ::_exit(base::write_all(kReport, text) ? 0 : 125);
  }
  pipe->write.close();
  auto text = read_report(pipe->read.get(), patience + kBeyondPatience);
  if (!text) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text) return std::unexpected(text.error());
  auto value = json::parse(*text, nullptr, false);
  if (value.is_object() && value.contains("error")) return std::unexpected(base::error_from_json(value["error"]));
  if (value.is_object() && value.contains("done")) return value["done"];
  return base::fail(base::Kind::disconnected, "the load generator ended without a result (status {})", status);
}

base::Result<Sample> Generator::run(const LoadPlan& plan) const {
  auto work = [&plan]() -> base::Result<json> {
    const double before = cpu_seconds();
    auto result = run_load(plan);
    if (!result) return std::unexpected(result.error());
    const double span = std::chrono::duration<double>(plan.warm_up + plan.duration).count();
    return report(*result, (cpu_seconds() - before) / span);
  };
  auto reported = in_child(work, plan.warm_up + plan.duration + 2 * plan.patience);
  if (!reported) return std::unexpected(reported.error());
  return sample_of(*reported);
}

base::Result<Answers> Generator::look(const LoadPlan& plan, unsigned count) const {
  auto work = [&]() -> base::Result<json> {
    auto answers = look_at(plan, count);
    if (!answers) return std::unexpected(answers.error());
    return to_json(*answers);
  };
  auto reported = in_child(work, 2 * plan.patience);
  if (!reported) return std::unexpected(reported.error());
  Answers answers{.status = reported->at("status"), .bytes = {}, .digest = {}};
  if (reported->contains("bytes")) answers.bytes = reported->at("bytes").get<std::uint64_t>();
  if (reported->contains("digest")) answers.digest = reported->at("digest").get<std::uint64_t>();
  return answers;
}

}  // namespace compare
