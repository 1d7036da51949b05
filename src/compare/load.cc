#include "compare/load.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "compare/load_connection.h"
#include "net/endpoint.h"
#include "net/loop.h"

namespace compare {
namespace {

using net::Clock;
using std::chrono::nanoseconds;

// A clock that the loop waits for to better than the millisecond that epoll_wait knows.
class Alarm final : net::Pollable {
 public:
  Alarm(net::Loop& loop, std::function<void()> ring) : loop_(loop), ring_(std::move(ring)) {}
  ~Alarm() {
    if (timer_.is_open()) loop_.remove(timer_.get(), *this);
  }
  base::Result<void> open() {
    timer_ = base::Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer_.is_open()) return base::errno_error("make a timer");
    return loop_.add(timer_.get(), EPOLLIN, *this);
  }
  void set(Clock::time_point when) {
    auto at = std::max(when.time_since_epoch(), nanoseconds(1));
    itimerspec spec{};
    spec.it_value.tv_sec = at / std::chrono::seconds(1);
    spec.it_value.tv_nsec = (at % std::chrono::seconds(1)).count();
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
  }

 private:
  void on_ready(std::uint32_t) override {
    std::uint64_t expirations;
    if (::read(timer_.get(), &expirations, sizeof expirations) > 0) ring_();
  }
  net::Loop& loop_;
  std::function<void()> ring_;
  base::Fd timer_;
};

class Load final : public LoadConnection::Owner {
 public:
  Load(const LoadPlan& plan, net::Loop& loop, net::Endpoint endpoint)
      : plan_(plan), loop_(loop), endpoint_(std::move(endpoint)) {}

  base::Result<LoadResult> run();

 private:
  bool is_open_loop() const { return plan_.rate > 0; }
  base::Result<void> connect();
  void begin();
  void on_due();
  void ask(LoadConnection& connection, Clock::time_point due, Clock::time_point now);
  void settle(LoadConnection& connection);
  bool counts(const LoadConnection& connection) const { return connection.due >= counted_from_; }
  void sweep();
  void stop_if_over();
  std::string what_is_wrong(const LoadConnection& connection, int status, std::uint64_t body_bytes) const;

  void on_answer(LoadConnection& connection, int status, std::uint64_t body_bytes) override;
  void on_failure(LoadConnection& connection, const std::string& reason) override;
  void on_reconnect() override { result_.reconnects++; }

  const LoadPlan& plan_;
  net::Loop& loop_;
  net::Endpoint endpoint_;
  http::OutgoingRequest request_;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::vector<LoadConnection*> free_;
  std::deque<Clock::time_point> line_;  // when those were due for which no connection was free
  std::optional<Arrivals> arrivals_;
  Alarm alarm_{loop_, [this] { on_due(); }};
  net::Timer sweeper_{loop_, [this] { sweep(); }};
  Clock::time_point began_, next_due_, counted_from_, ends_, last_end_;
  LoadResult result_;
};

base::Result<LoadResult> Load::run() {
  request_ = request_of(plan_);
  std::string trial;
  if (auto written = http::h1::ClientCodec().send_head(request_, trial); !written)
    return base::wrap(written.error(), "write the request");
  if (auto connected = connect(); !connected) return std::unexpected(connected.error());
  if (auto opened = alarm_.open(); !opened) return std::unexpected(opened.error());
  begin();
  loop_.run();
  result_.seconds = std::chrono::duration<double>(std::max(last_end_, counted_from_) - counted_from_).count();
  return std::move(result_);
}

// All stand before the first request is due, so that connecting is no part of what is measured.
base::Result<void> Load::connect() {
  const auto deadline = Clock::now() + plan_.patience;
  for (unsigned i = 0; i < plan_.connections; i++) {
    connections_.push_back(std::make_unique<LoadConnection>(loop_, endpoint_, *this));
    LoadConnection& connection = *connections_.back();
    auto opened = connection.open();
    while (connection.is_connecting() && Clock::now() < deadline) loop_.turn(std::chrono::milliseconds(10));
    if (connection.is_connected()) continue;
    auto why = !opened                      ? opened.error().describe()
               : connection.is_connecting() ? "it is not accepted"
                                            : connection.trouble();
    return base::fail(base::Kind::unavailable, "open connection {} of {} to {}: {}", i + 1, plan_.connections,
                      endpoint_.text(), why);
  }
  return {};
}

void Load::begin() {
  began_ = Clock::now();
  counted_from_ = began_ + plan_.warm_up;
  ends_ = counted_from_ + plan_.duration;
  sweeper_.set_after(std::chrono::milliseconds(20));
  if (!is_open_loop()) {
    for (auto& connection : connections_) ask(*connection, began_, began_);
    return;
  }
  for (auto& connection : connections_) free_.push_back(connection.get());
  arrivals_.emplace(plan_.arrivals, plan_.rate, plan_.seed);
  next_due_ = began_ + arrivals_->next();
  alarm_.set(next_due_);
}

void Load::on_due() {
  const auto now = Clock::now();
  for (; next_due_ <= now && next_due_ < ends_; next_due_ = began_ + arrivals_->next()) {
    if (free_.empty()) {
      line_.push_back(next_due_);
      result_.longest_line = std::max(result_.longest_line, line_.size());
      continue;
    }
    LoadConnection& connection = *free_.back();
    free_.pop_back();
    if (next_due_ >= counted_from_) result_.lateness.add(now - next_due_);
    ask(connection, next_due_, now);
  }
  if (next_due_ < ends_) alarm_.set(next_due_);
}

void Load::ask(LoadConnection& connection, Clock::time_point due, Clock::time_point now) {
  connection.due = due;
  connection.sent = now;
  connection.ask(request_, plan_.body);
}

void Load::on_answer(LoadConnection& connection, int status, std::uint64_t body_bytes) {
  const auto now = Clock::now();
  if (counts(connection)) {
    last_end_ = now;
    result_.latency.add(now - connection.due);
    result_.service.add(now - connection.sent);
    result_.body_bytes += body_bytes;
    if (auto wrong = what_is_wrong(connection, status, body_bytes); wrong.empty())
      result_.answers++;
    else
      result_.failures[wrong]++;
  }
  settle(connection);
}

std::string Load::what_is_wrong(const LoadConnection& connection, int status, std::uint64_t body_bytes) const {
  if (status != plan_.expected_status) return fmt::format("status {}", status);
  if (body_bytes != plan_.expected_bytes.value_or(body_bytes)) return fmt::format("{} bytes", body_bytes);
  if (connection.body_digest() != plan_.expected_digest.value_or(connection.body_digest())) return "another body";
  return {};
}

// One that failed has taken its user's time too, so it is in the histograms.
void Load::on_failure(LoadConnection& connection, const std::string& reason) {
  const auto now = Clock::now();
  if (counts(connection)) {
    last_end_ = now;
    result_.latency.add(now - connection.due);
    result_.service.add(now - connection.sent);
    result_.failures[reason]++;
  }
  loop_.post([this, &connection] { settle(connection); });
}

void Load::settle(LoadConnection& connection) {
  const auto now = Clock::now();
  if (!is_open_loop() && now < ends_) return ask(connection, now, now);
  if (line_.empty()) {
    free_.push_back(&connection);
    return stop_if_over();
  }
  auto due = line_.front();
  line_.pop_front();
  ask(connection, due, now);
}

void Load::sweep() {
  sweeper_.set_after(std::chrono::milliseconds(20));
  const auto now = Clock::now();
  for (auto& connection : connections_)
    if (connection->is_asking() && now - connection->sent > plan_.patience) connection->give_up("no answer in time");
  stop_if_over();
}

void Load::stop_if_over() {
  if (Clock::now() >= ends_ && line_.empty() && free_.size() == connections_.size()) loop_.stop();
}

base::Result<void> check(const LoadPlan& plan) {
  if (plan.connections == 0) return base::invalid("a load needs at least one connection");
  if (plan.rate < 0) return base::invalid("{} is no rate: requests per second, or 0 to ask again at once", plan.rate);
  if (plan.duration <= nanoseconds(0)) return base::invalid("a load needs some time");
  if (!plan.path.starts_with('/')) return base::invalid("\"{}\" is no path: it begins with \"/\"", plan.path);
  return {};
}

}  // namespace

std::uint64_t LoadResult::failed() const {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : failures) sum += count;
  return sum;
}

http::OutgoingRequest request_of(const LoadPlan& plan) {
  http::OutgoingRequest request;
  request.method = plan.method;
  request.path = plan.path;
  if (auto query = plan.path.find('?'); query != std::string::npos) {
    request.path = std::string_view(plan.path).substr(0, query);
    request.query = std::string_view(plan.path).substr(query + 1);
    request.has_query = true;
  }
  request.host = plan.host;
  if (!plan.body.empty()) {
    request.framing = http::Framing::length;
    request.content_length = plan.body.size();
  }
  return request;
}

base::Result<LoadResult> run_load(const LoadPlan& plan) {
  if (auto checked = check(plan); !checked) return std::unexpected(checked.error());
  auto endpoint = net::Endpoint::of(plan.address);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  return Load(plan, **loop, std::move(*endpoint)).run();
}

}  // namespace compare
