#include "worker/asgi/handler.h"

#include <algorithm>

#include "python/convert.h"
#include "python/gil.h"
#include "worker/asgi/http_exchange.h"
#include "worker/asgi/websocket_exchange.h"

namespace worker::asgi {
namespace {

using net::nanoseconds;

// `drive` returns to asyncio after so many turns of ours at the latest, whatever happens.
constexpr int turns_per_drive = 64;
// Once asyncio has work, so much of the queue is still served before it gets its turn.
constexpr int batch_count = 64;
constexpr auto batch_time = std::chrono::milliseconds(1);
// A guest does not see whether its host is stuck in the application: it shows that it is alive this often.
constexpr auto sign_of_life = std::chrono::milliseconds(250);

// Counts how many calls of a function are on the stack.
class Nesting {
 public:
  explicit Nesting(int& depth) : depth_(depth) { depth_++; }
  ~Nesting() { depth_--; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

double seconds_of(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

std::uint64_t monotonic_ns() { return static_cast<std::uint64_t>(net::Clock::now().time_since_epoch().count()); }

}  // namespace

Handler::Handler(State& state, PyObject* app, Version version, Options options)
    : state_(state),
      options_(std::move(options)),
      counters_(options_.page.get()),
      app_(python::Ref::borrow(app)),
      version_(version) {
  auto server = Server::create(options_, counters_, *this);
  if (!server) python::raise(PyExc_ValueError, server.error().describe());
  server_ = std::move(*server);
  if (options_.request_timeout > nanoseconds(0)) {
    time_limit_ = std::make_unique<TimeLimit>(server_->loop(), options_.request_timeout);
  }
  if (options_.max_concurrency > 0 || options_.limits_queue()) {
    WaitingLine::Limits limits = {.length = options_.max_queue, .time = options_.queue_timeout};
    line_ = std::make_unique<WaitingLine>(server_->loop(), limits);
  }
  scopes_ = std::make_unique<ScopeBuilder>(state_, options_);
  counters_.set(Counter::busy_since, monotonic_ns());
}

Handler::~Handler() { detach(); }

void Handler::begin_on(PyObject* loop) {
  thread_ = std::this_thread::get_id();
  loop_ = python::Ref::borrow(loop);
  tasks_ = std::make_unique<TaskStarter>(state_.names, loop_.share());
}

void Handler::attach(PyObject* loop) {
  if (!server_) python::raise(PyExc_RuntimeError, "the server has ended");
  begin_on(loop);
  host_ = asyncio::Loop::of(state_, loop);
  if (!host_) python::raise(PyExc_TypeError, "the engine drives a serai._loop.EventLoop only");
  host_->set_driver(*this, server_->shared_loop());
#ifndef Py_GIL_DISABLED
  python_thread_ = PyThread_get_thread_ident();
  if (time_limit_)
    watchdog_ = std::make_unique<Watchdog>(counters_, options_.request_timeout, [this] { answer_for_loop(); });
#endif
}

void Handler::attach_as_guest(PyObject* loop, PyObject* wake) {
  begin_on(loop);
  wake_ = python::Ref::borrow(wake);
  server_->loop().set_nudge([this] {
    if (PyObject* done = PyObject_CallNoArgs(wake_.get())) return Py_DECREF(done);
    python::report_unraisable("serai: waking the event loop");
  });
}

void Handler::open(PyObject* context, PyObject* lifespan_state, PyObject* as_coroutine, PyObject* log_error,
                   PyObject* log_timeout, PyObject* log_blocked) {
  log_timeout_ = python::Ref::borrow(log_timeout);
  log_blocked_ = python::Ref::borrow(log_blocked);
  context_ = python::Ref::borrow(context);
  lifespan_state_ = python::Ref::borrow(lifespan_state);
  as_coroutine_ = python::Ref::borrow(as_coroutine);
  log_error_ = python::Ref::borrow(log_error);
}

void Handler::detach() {
  watchdog_.reset();
  if (host_) host_->remove_driver();
  host_ = nullptr;
  time_limit_.reset();
  if (server_) server_->loop().set_nudge(nullptr);
  server_.reset();
  waiting_.clear();
  line_.reset();
  queue_.clear();
  running_.clear();
  tasks_.reset();
  for (python::Ref* ref : {&loop_, &wake_, &context_, &lifespan_state_, &as_coroutine_, &log_error_, &log_timeout_,
                           &log_blocked_, &finished_}) {
    ref->clear();
  }
}

worker::Exchange* Handler::begin(Stream& stream) {
  std::shared_ptr<Exchange> exchange;
  if (websocket::asks_for_websocket(stream.head()))
    exchange = std::make_shared<WebSocketExchange>(shared_from_this(), stream);
  else
    exchange = std::make_shared<HttpExchange>(shared_from_this(), stream);
  worker::Exchange* plain = exchange.get();
  exchange->is_queued = true;
  if (line_ || options_.measure) exchange->came = server_->loop().now();
  queue(std::move(exchange));
  return plain;
}

void Handler::queue(std::shared_ptr<Exchange> exchange) { queue_.push_back(std::move(exchange)); }

// --- one wait of the event loop -------------------------------------------------------------------------------------

void Handler::drive(nanoseconds most) {
  Nesting nesting(drives_);
  if (report_finished()) most = nanoseconds(0);  // the last background task may have ended since the last turn
  for (int i = 0; i < turns_per_drive; i++) {
    turn_once(queue_.empty() ? most : nanoseconds(0));
    python::checked(PyErr_CheckSignals());
    run_queue();
    report_finished();
    // Whoever turns the loop inside a request looks for something that we do not know.
    if (drives_ > 1 || asyncio_has_work() || most == nanoseconds(0)) break;
    most = host_->until_next_timer();  // applications ran in here and set timers of their own
  }
}

double Handler::turn_as_guest() {
  Nesting nesting(drives_);
  turn_once(nanoseconds(0));
  run_queue();
  {
    python::GilRelease released;
    server_->loop().run_deferred();  // what was answered at once
  }
  report_finished();
  counters_.set(Counter::busy_since, monotonic_ns());
  nanoseconds due = queue_.empty() ? server_->loop().until_due() : nanoseconds(0);
  if (due < nanoseconds(0) || due > sign_of_life) due = sign_of_life;
  return std::chrono::duration<double>(due).count();
}

void Handler::turn_once(nanoseconds most) {
  if (std::exchange(was_answered_for_, false)) [[unlikely]]
    counters_.set(Counter::stuck, 0);
  if (host_) most = host_->before_wait(most);
  is_waiting_ = true;
  {
    python::GilRelease released;
    server_->loop().run_deferred();
    counters_.set(Counter::busy_since, 0);
    server_->loop().turn(most);
    turn_began_ = server_->loop().now();
    counters_.set(Counter::busy_since, static_cast<std::uint64_t>(turn_began_.time_since_epoch().count()));
    turn_++;
  }
  is_waiting_ = false;
  if (host_) host_->after_wait();
}

void Handler::run_queue() {
  if (queue_.empty()) return;
  Nesting nesting(queue_runs_);
  may_step_ = drives_ == 1 && queue_runs_ == 1 && !tasks_->has_current_task();
  for (int i = 0; !queue_.empty(); i++) {
    if (i > 0) {
      auto now = net::Clock::now();
      server_->send_if_due(now);
      bool enough = i >= batch_count || now - turn_began_ > batch_time;
      if (enough && asyncio_has_work()) break;
    }
    auto exchange = std::move(queue_.front());
    queue_.pop_front();
    if (line_ && !admit(*exchange)) continue;
    run(*exchange);
    if (line_ && exchange->is_over()) leave(*exchange);
  }
}

// What goes wrong around one request ends that request, not the server; KeyboardInterrupt and SystemExit do leave.
void Handler::run(Exchange& exchange) {
  try {
    exchange.run();
  } catch (const python::Raised&) {
    if (python::ends_program()) throw;
    python::Ref exception = python::take_exception();
    log_error("Exception in ASGI application", exception.get());
    exchange.fail();
  }
}

bool Handler::report_finished() {
  if (!finished_.is_set() || !server_->is_finished()) return false;
  python::Ref future = std::move(finished_);
  if (python::call_method(future.get(), state_.names.done.get()).get() == Py_True) return false;
  python::Ref outcome = python::integer(static_cast<int>(server_->outcome()));
  python::call_method(future.get(), state_.names.set_result.get(), outcome.get());
  return true;
}

// --- for exchanges --------------------------------------------------------------------------------------------------

python::Ref Handler::start(PyObject* scope, PyObject* receive, PyObject* send) {
  python::Ref coroutine;
  try {
    if (version_ == Version::three) {
      coroutine = python::call(app_.get(), scope, receive, send);
    } else {
      python::Ref instance = python::call(app_.get(), scope);
      coroutine = python::call(instance.get(), receive, send);
    }
    // asyncio.Task takes coroutines; an application may give any awaitable.
    if (!PyCoro_CheckExact(coroutine.get())) coroutine = python::call(as_coroutine_.get(), coroutine.get());
  } catch (const python::Raised&) {
    if (python::ends_program()) throw;
    python::Ref exception = python::take_exception();
    log_error("Exception in ASGI application", exception.get());
    return {};
  }
  python::Ref context = python::checked(PyContext_Copy(context_.get()));
  Start when = Start::now;
#if PY_VERSION_HEX < 0x030C0000
  if (tasks_->has_current_task()) when = Start::by_loop;
#endif
  return tasks_->start(coroutine.get(), context.get(), when);
}

void Handler::keep(std::shared_ptr<Exchange> exchange) {
  server_->hold();
  running_.put(std::move(exchange));
}

void Handler::let_go(Exchange& exchange) {
  if (!running_.take(exchange) || !server_) return;
  server_->unhold();
  if (line_) leave(exchange);
  if (is_guest() && server_->is_drain_requested()) python::call(wake_.get());  // it may have been the last one
}

void Handler::response_completed() {
  if (queue_runs_ == 0) server_->send_if_due(net::Clock::now());
}

// --- limits of concurrency and waiting ------------------------------------------------------------------------------

bool Handler::admit(Exchange& exchange) {
  using Place = Exchange::Place;
  if (exchange.place != Place::outside || !exchange.is_counted() || !exchange.has_client()) {
    if (exchange.place == Place::waiting) exchange.is_queued = false;
    return exchange.place != Place::waiting;
  }
  if (has_room() && waiting_.empty()) {
    if (!line_->is_too_late(exchange.came)) return enter(exchange), true;
    return turn_away(exchange), false;
  }
  if (line_->is_full()) return turn_away(exchange), false;
  exchange.is_queued = false;
  exchange.place = Place::waiting;
  counters_.add(Counter::waiting);
  line_->enter(exchange);
  waiting_.push_back(exchange.shared_from_this());
  return false;
}

void Handler::enter(Exchange& exchange) {
  exchange.place = Exchange::Place::inside;
  inside_++;
}

void Handler::leave(Exchange& exchange) {
  if (exchange.place != Exchange::Place::inside) return;
  exchange.place = Exchange::Place::gone;
  inside_--;
  while (has_room() && !waiting_.empty()) {
    auto next = waiting_.front();
    const bool is_too_late = line_->is_too_late(next->came);
    forget_waiting(*next);
    if (is_too_late) {
      turn_away(*next);
      continue;
    }
    enter(*next);
    if (!std::exchange(next->is_queued, true)) queue(std::move(next));
  }
}

void Handler::forget_waiting(Exchange& exchange) {
  auto place = std::ranges::find(waiting_, &exchange, [](const auto& waiting) { return waiting.get(); });
  auto self = std::move(*place);
  waiting_.erase(place);
  line_->leave(exchange);
  counters_.subtract(Counter::waiting);
  exchange.place = Exchange::Place::outside;
}

void Handler::turn_away_waiting(Exchange& exchange) {
  auto self = exchange.shared_from_this();
  forget_waiting(exchange);
  turn_away(exchange);
}

void Handler::turn_away(Exchange& exchange) {
  exchange.place = Exchange::Place::gone;
  exchange.is_queued = false;
  counters_.add(Counter::turned_away);
  line_->turn_away(exchange.forgo());
}

// On the watchdog's thread.
void Handler::answer_for_loop() {
  if (is_waiting_ || depth_inside_ > 0 || !log_blocked_.is_set()) return;
  is_answered_for_ = true;
  time_limit_->look();
  server_->loop().run_deferred();
  is_answered_for_ = false;
  auto requests = std::exchange(blocked_requests_, {});
  if (requests.empty()) return;
  was_answered_for_ = true;
  counters_.set(Counter::stuck, 1);
  // Python code, in which the loop's thread may come back.
  for (const std::string& request_line : requests) log_blocked(request_line);
}

void Handler::log_blocked(const std::string& request_line) {
  try {
    python::Ref thread = python::checked(PyLong_FromUnsignedLong(python_thread_));
    python::Ref limit = python::checked(PyFloat_FromDouble(seconds_of(options_.request_timeout)));
    python::call(log_blocked_.get(), thread.get(), python::latin1(request_line).get(), limit.get());
  } catch (const python::Raised&) {
    python::report_unraisable("serai: logging a blocked event loop");
  }
}

void Handler::interrupt(PyObject* task, const std::string& request_line, Log log) {
  if (!task) return;
  try {
    python::Ref limit = python::checked(PyFloat_FromDouble(seconds_of(options_.request_timeout)));
    if (log == Log::yes) python::call(log_timeout_.get(), task, python::latin1(request_line).get(), limit.get());
    python::call_method(task, python::interned("cancel").get());
  } catch (const python::Raised&) {
    if (python::ends_program()) throw;
    python::report_unraisable("serai: ending a request that takes too long");
  }
}

void Handler::log_error(const char* message, PyObject* exception) {
  if (!log_error_.is_set()) return;
  try {
    python::call(log_error_.get(), python::text(message).get(), exception);
  } catch (const python::Raised&) {
    python::report_unraisable("serai: logging an error of the application");
  }
}

}  // namespace worker::asgi
