#include "worker/wsgi/handler.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <exception>

#include "python/convert.h"
#include "python/gil.h"

namespace worker::wsgi {
namespace {

double seconds_of(net::nanoseconds time) { return std::chrono::duration<double>(time).count(); }
// close() may do work that must not delay the answer: Werkzeug's call_on_close, Django's request_finished. Where one
// has taken so long, the next so many answers are sent before it is called; else they go with the others of their turn.
constexpr auto slow_close = std::chrono::microseconds(500);
constexpr int remembered_closes = 10'000;

std::uint64_t monotonic_ns() { return static_cast<std::uint64_t>(net::Clock::now().time_since_epoch().count()); }

}  // namespace

Handler::Handler(State& state, PyObject* app, Options options)
    : state_(state), options_(std::move(options)), counters_(options_.page.get()), app_(python::Ref::borrow(app)) {
  auto server = Server::create(options_, counters_, *this);
  if (!server) python::raise(PyExc_ValueError, server.error().describe());
  server_ = std::move(*server);
  bytes_io_ = python::attribute(python::import("io").get(), "BytesIO");
  if (options_.request_timeout > net::nanoseconds(0)) {
    time_limit_ = std::make_unique<TimeLimit>(server_->loop(), options_.request_timeout);
  }
  if (options_.limits_queue()) {
    WaitingLine::Limits limits = {.length = options_.max_queue, .time = options_.queue_timeout};
    line_ = std::make_unique<WaitingLine>(server_->loop(), limits);
  }
  const char* folder = std::getenv("TMPDIR");
  temporary_folder_ = folder && *folder ? folder : "/tmp";
}

Handler::~Handler() { close(); }

void Handler::open(Helpers helpers, const std::vector<int>& sockets) {
  helpers_ = std::move(helpers);
  environs_ = std::make_unique<EnvironBuilder>(state_, options_, helpers_.file_wrapper.get());
  if (auto done = server_->listen(sockets); !done) python::raise(PyExc_OSError, done.error().describe());
  if (needs_stand_in()) start_stand_in();
}

void Handler::watch_signals(int read_end) { signals_ = std::make_unique<SignalPipe>(server_->loop(), read_end); }

void Handler::close() {
  {
    python::GilRelease released;
    courier_.end();
  }
  if (stand_in_.joinable()) {
    team_.dismiss();
    python::GilRelease released;
    server_->loop().post([] {});
    stand_in_.join();
  }
  signals_.reset();
  time_limit_.reset();
  line_.reset();
  server_.reset();  // its connections still know their exchanges
  queue_.clear();
  reading_.clear();
  helpers_ = {};
  environs_.reset();
}

// --- loop thread, no GIL --------------------------------------------------------------------------------------------

worker::Exchange* Handler::begin(Stream& stream) { return &reading_.put(std::make_unique<Exchange>(*this, stream)); }

void Handler::queue(Exchange& exchange) {
  if (line_ && line_->is_full()) {
    auto self = take(exchange);
    counters_.add(Counter::turned_away);
    return line_->turn_away(exchange.stream());
  }
  exchange.stream().lend();
  server_->hold();
  queue_.push_back(take(exchange));
  if (line_ || options_.measure) exchange.came = server_->loop().now();
  if (!line_) return;
  counters_.add(Counter::waiting);
  exchange.waits = true;
  line_->enter(exchange);
}

std::unique_ptr<Exchange> Handler::take(Exchange& exchange) { return reading_.take(exchange); }

void Handler::turn() {
  server_->loop().run_deferred();
  counters_.set(Counter::busy_since, 0);
  server_->loop().turn(net::nanoseconds(queue_.empty() ? -1 : 0));
  counters_.set(Counter::busy_since, monotonic_ns());
}

// While some thread waits for events the worker is not busy at all.
void Handler::note_back_from_application() { counters_.replace_nonzero(Counter::busy_since, monotonic_ns()); }

// --- one thread -----------------------------------------------------------------------------------------------------

void Handler::work() {
  if (options_.threads == 1 && !needs_stand_in())
    work_alone();
  else
    work_in_team();
}

void Handler::work_alone() {
  while (!server_->is_finished()) {
    {
      python::GilRelease released;
      turn();
    }
    python::checked(PyErr_CheckSignals());
    while (!queue_.empty()) run_next_alone();
  }
}

void Handler::run_next_alone() {
  std::unique_ptr<Exchange> exchange = take_next();
  std::exception_ptr leaving;  // KeyboardInterrupt or SystemExit
  Ending ending = run(*exchange, leaving);
  conclude(*exchange, ending);
  if (leaving) std::rethrow_exception(leaving);
  server_->send_if_due(net::Clock::now());
}

std::unique_ptr<Exchange> Handler::take_next() {
  while (!queue_.empty()) {
    std::unique_ptr<Exchange> exchange = std::move(queue_.front());
    queue_.pop_front();
    if (!line_ || !leaves_too_late(*exchange)) {
      if (options_.measure) counters_.observe(Histogram::waiting, net::Clock::now() - exchange->came);
      return exchange;
    }
    turn_away(*exchange);
  }
  return nullptr;
}

bool Handler::leaves_too_late(Exchange& exchange) {
  exchange.waits = false;
  counters_.subtract(Counter::waiting);
  const bool is_too_late = line_->is_too_late(exchange.came);
  line_->leave(exchange);
  return is_too_late;
}

void Handler::turn_away(Exchange& exchange) {
  counters_.add(Counter::turned_away);
  exchange.stream().take_back();
  server_->unhold();
  line_->turn_away(exchange.stream());
}

void Handler::turn_away_waiting(Exchange& exchange) {
  auto place = std::ranges::find(queue_, &exchange, [](const auto& waiting) { return waiting.get(); });
  std::unique_ptr<Exchange> self = std::move(*place);
  queue_.erase(place);
  counters_.subtract(Counter::waiting);
  line_->leave(exchange);
  turn_away(exchange);
}

Ending Handler::run(Exchange& exchange, std::exception_ptr& leaving) {
  counters_.add(Counter::threads_busy);
  Ending ending = Ending::aborted;
  try {
    ending = exchange.run();
  } catch (const python::Raised&) {
    leaving = std::current_exception();
  }
  if (exchange.is_revoked()) ending = Ending::revoked;
  counters_.subtract(Counter::threads_busy);
  return ending;
}

// The response is settled: the stream is the loop's again.
void Handler::conclude(Exchange& exchange, Ending ending) {
  if (time_limit_) time_limit_->forget(exchange);
  Stream& stream = exchange.stream();
  stream.take_back();
  server_->unhold();
  switch (ending) {
    case Ending::complete:
      return stream.finish_response();
    case Ending::aborted:
      return stream.abort_response();
    case Ending::internal_error:
      return stream.respond(500, "Internal Server Error");
    case Ending::revoked:
      return;
  }
}

// --- several threads ------------------------------------------------------------------------------------------------

void Handler::work_in_team() {
  python::GilRelease released;
  while (team_.wait_for_role() == Team::Role::leader) lead();
}

void Handler::lead() {
  send_entrusted();
  while (true) {
    while (!queue_.empty()) {
      if (!run_queue_in_team()) return;
    }
    if (server_->is_finished()) return dismiss();
    turn();
    interrupt_overstays();
    if (options_.threads == 1) check_signals();
  }
}

// On the main thread.
void Handler::check_signals() {
  python::GilHold held;
  if (PyErr_CheckSignals() == 0) return;
  dismiss();
  python::rethrow();
}

void Handler::dismiss() {
  team_.dismiss();
  if (end_fd_ >= 0) (void)!::write(end_fd_, "\xff", 1);
}

// What the leader before this one has left.
void Handler::send_entrusted() {
  if (Stream* stream = team_.take_entrusted()) (void)stream->send_borrowed();
}

// Keeps the GIL from one request to the next while no other thread is in the application and may wait for it.
bool Handler::run_queue_in_team() {
  std::unique_ptr<Exchange> replaced;
  Ending ending;
  std::exception_ptr leaving;  // KeyboardInterrupt or SystemExit, pending in this thread
  {
    python::GilHold held;
    do {
      replaced = run_next_in_team(ending, leaving);
      if (replaced || leaving) break;
      server_->send_if_due(net::Clock::now());
    } while (!queue_.empty() && counters_.get(Counter::threads_busy) == 0);
  }
  bool still_leads = !replaced;
  if (replaced) hand_back(std::move(replaced), ending);
  if (!leaving) return still_leads;
  if (still_leads) dismiss();
  std::rethrow_exception(leaving);
}

std::unique_ptr<Exchange> Handler::run_next_in_team(Ending& ending, std::exception_ptr& leaving) {
  std::unique_ptr<Exchange> exchange = take_next();
  if (!exchange) return nullptr;
  if (time_limit_) time_limit_->watch(*exchange);
  team_.enter();
  ending = run(*exchange, leaving);
  if (!team_.leave()) return exchange;
  conclude(*exchange, ending);
  return nullptr;
}

// Somebody else leads: the answer goes out from here, and the stream back to whoever turns the loop by then.
void Handler::hand_back(std::unique_ptr<Exchange> exchange, Ending ending) {
  if (ending == Ending::revoked) return counters_.subtract(Counter::stuck);
  if (ending == Ending::complete && !exchange->is_entrusted) exchange->stream().send_borrowed();
  server_->loop().post(
      [this, shared = std::shared_ptr<Exchange>(std::move(exchange)), ending] { conclude(*shared, ending); });
}

// --- requests whose time is over ------------------------------------------------------------------------------------

// The stream comes back from a thread that is in the application, and the client gets its answer.
void Handler::on_overdue(Exchange& exchange) {
  if (exchange.waits) return turn_away_waiting(exchange);
  auto overstay = exchange.revoke();
  if (!overstay) return time_limit_->watch(exchange);  // it waits for its client, or is about to come back
  counters_.add(Counter::timed_out);
  counters_.add(Counter::stuck);
  overstays_.push_back(std::move(overstay));
  Stream& stream = exchange.stream();
  stream.take_back();
  server_->unhold();
  if (stream.head_is_finished())
    stream.abort_response();
  else
    stream.respond(504, "Gateway Timeout");
}

void Handler::interrupt_overstays() {
  if (overstays_.empty()) return;
  server_->loop().run_deferred();  // the answers need no GIL
  python::GilHold held;
  for (auto& overstay : std::exchange(overstays_, {})) {
    log_timeout(*overstay);
    if (!overstay->is_over) PyThreadState_SetAsyncExc(overstay->thread, state_.request_timed_out.get());
  }
}

void Handler::log_timeout(const Overstay& overstay) {
  try {
    python::Ref thread = python::checked(PyLong_FromUnsignedLong(overstay.thread));
    python::Ref limit = python::checked(PyFloat_FromDouble(seconds_of(options_.request_timeout)));
    python::call(helpers_.log_timeout.get(), thread.get(), python::latin1(overstay.request_line).get(), limit.get());
  } catch (const python::Raised&) {
    python::report_unraisable("serai: logging a request that takes too long");
  }
}

// Turns the loop while all threads are in the application; what it reads waits for them.
void Handler::stand_in() {
  while (team_.wait_to_stand_in() == Team::Role::leader) {
    send_entrusted();
    server_->set_accepting(line_ != nullptr);
    while (team_.is_needed_as_leader() && !server_->is_finished()) {
      server_->loop().run_deferred();
      server_->loop().turn(net::nanoseconds(-1));  // not `turn`: the worker is as busy as before
      interrupt_overstays();
    }
    if (server_->is_finished()) return dismiss();
    server_->set_accepting(true);
    team_.step_down();
  }
}

void Handler::start_stand_in() {
  team_.expect_stand_in([this] { server_->loop().post([] {}); });
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads that Python knows
  stand_in_ = std::thread([this] { stand_in(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Handler::complain_of_hop_by_hop(std::string_view name) {
  std::string known(name);
  std::ranges::transform(known, known.begin(), [](unsigned char c) { return std::tolower(c); });
  if (!complaints_.insert(known).second) return;
  std::string message = "WSGI application sets the header " + std::string(name) +
                        ", which is the server's (PEP 3333): it is not sent" +
                        (known == "connection" ? "; \"close\" is understood" : "");
  log_error(message.c_str(), Py_None);
}

// --- for exchanges --------------------------------------------------------------------------------------------------

python::Ref Handler::call_close(PyObject* close) {
  auto began = net::Clock::now();
  python::Ref done = python::call(close);
  if (net::Clock::now() - began >= slow_close) slow_closes_.store(remembered_closes, std::memory_order_relaxed);
  return done;
}

void Handler::send_before_close(Exchange& exchange) {
  int slow = slow_closes_.load(std::memory_order_relaxed);
  if (slow > 0) {
    slow_closes_.store(slow - 1, std::memory_order_relaxed);
    return exchange.send_what_is_there();
  }
  if (exchange.gathers()) return;  // the courier sees to it
  if (options_.threads == 1 && !time_limit_) return;
  exchange.is_entrusted = team_.entrust(exchange.stream());
  if (!exchange.is_entrusted) exchange.send_what_is_there();
}

void Handler::log_error(const char* message, PyObject* exception) {
  if (!helpers_.log_error.is_set()) return;
  try {
    python::call(helpers_.log_error.get(), python::text(message).get(), exception);
  } catch (const python::Raised&) {
    python::report_unraisable("serai: logging an error of the application");
  }
}

}  // namespace worker::wsgi
