// asgi::Handler: runs an ASGI application under asyncio, whose event loop it drives.
//
// `drive` is one turn of our loop: without the GIL it sends what is due, waits, reads and parses; with the GIL it
// starts the applications of new requests and wakes those that wait. It returns to the event loop (asyncio::Loop) as
// soon as that has something to do, and keeps turning otherwise.
//
// Under a loop of another kind (uvloop), or one that runs already, the handler is a guest instead: that loop watches
// our descriptor and calls `turn_as_guest`. Each event costs it a pass through its own machinery.
#pragma once

#include <deque>
#include <memory>
#include <thread>

#include "worker/asgi/exchange.h"
#include "worker/asgi/scope.h"
#include "worker/asgi/task.h"
#include "worker/asgi/watchdog.h"
#include "worker/asyncio/loop.h"
#include "worker/places.h"
#include "worker/server.h"
#include "worker/state.h"
#include "worker/waiting_line.h"

namespace worker::asgi {

enum class Version { two, three };

class Handler final : public worker::Handler, private asyncio::Driver, public std::enable_shared_from_this<Handler> {
 public:
  // Throws python::Raised.
  Handler(State& state, PyObject* app, Version version, Options options);
  ~Handler();

  worker::Exchange* begin(Stream& stream) override;
  bool buffers_bodies() const override { return false; }
  bool takes_websockets() const override { return true; }

  // Called on the loop's thread before `loop`, an asyncio::Loop, has waited for anything.
  void attach(PyObject* loop);
  // As a guest of `loop`: `wake` is called, in no time to waste, when a turn is due though the descriptor is not
  // readable.
  void attach_as_guest(PyObject* loop, PyObject* wake);
  // To be called when the descriptor is readable, soon after `wake`, and after as many seconds as it returned last.
  double turn_as_guest();
  // The future that gets the outcome (int) when the server is finished.
  void set_finished(PyObject* future) { finished_ = python::Ref::borrow(future); }
  // Every request runs in a copy of `context` and gets a shallow copy of `state`. `as_coroutine` makes a coroutine of
  // any awaitable; `log_timeout` is given a task, the request's first line and the time limit in seconds; `log_blocked`
  // the loop's thread, the same line and limit.
  void open(PyObject* context, PyObject* lifespan_state, PyObject* as_coroutine, PyObject* log_error,
            PyObject* log_timeout, PyObject* log_blocked);
  void detach();

  // --- for exchanges
  State& state() { return state_; }
  Server& server() { return *server_; }
  bool is_attached() const { return server_ != nullptr; }
  Counters& counters() { return counters_; }
  bool measures() const { return options_.measure; }
  const ScopeBuilder& scopes() const { return *scopes_; }
  void queue(std::shared_ptr<Exchange> exchange);
  // Calls the application and gives its task, which may be done already.
  python::Ref start(PyObject* scope, PyObject* receive, PyObject* send);
  // Keeps an exchange whose task is not done yet.
  void keep(std::shared_ptr<Exchange> exchange);
  void let_go(Exchange& exchange);
  // Some response is whole: those that have waited for long are sent.
  void response_completed();
  void log_error(const char* message, PyObject* exception);
  // Null: requests may take as long as they like.
  TimeLimit* time_limit() const { return time_limit_.get(); }
  // The task's time is over: logs where it stands, unless that is told already, and cancels it.
  enum class Log { yes, no };
  void interrupt(PyObject* task, const std::string& request_line, Log log);
  // The loop's thread works for some exchange. Python code that it calls (headers may come from a generator) must not
  // find its stream gone afterwards, so the watchdog answers for nobody meanwhile: a connection that fails takes all
  // its streams along.
  class Inside {
   public:
    explicit Inside(Handler& handler) : depth_(handler.depth_inside_) { depth_++; }
    ~Inside() { depth_--; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    unsigned& depth_;
  };
  // The watchdog is answering for the loop's thread, which is in the application.
  bool is_answered_for() const { return is_answered_for_; }
  void log_blocked_later(const std::string& request_line) { blocked_requests_.push_back(request_line); }
  // The client of a waiting request is gone. Loop thread, as the next.
  void forget_waiting(Exchange& exchange);
  // It has waited for too long.
  void turn_away_waiting(Exchange& exchange);
  PyObject* loop() const { return loop_.get(); }
  PyObject* lifespan_state() const { return lifespan_state_.get(); }
  std::uint64_t turn() const { return turn_; }
  net::Clock::time_point turn_began() const { return turn_began_; }
  // No task is running, so that one that waits may go on here and now.
  bool may_step() const { return may_step_; }
  bool is_loop_thread() const { return std::this_thread::get_id() == thread_; }

 private:
  void drive(net::nanoseconds most) override;
  void begin_on(PyObject* loop);
  bool is_guest() const { return wake_.is_set(); }
  void turn_once(net::nanoseconds most);
  void answer_for_loop();
  void log_blocked(const std::string& request_line);
  void run_queue();
  void run(Exchange& exchange);
  // Whether it is the exchange's turn; otherwise it waits, or was turned away.
  bool admit(Exchange& exchange);
  bool has_room() const { return options_.max_concurrency == 0 || inside_ < options_.max_concurrency; }
  void enter(Exchange& exchange);
  void leave(Exchange& exchange);
  void turn_away(Exchange& exchange);
  bool asyncio_has_work() const { return !host_ || host_->has_work(); }  // a guest is not told
  // True when it has just told so.
  bool report_finished();

  State& state_;
  Options options_;
  Counters counters_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<TimeLimit> time_limit_;
  std::unique_ptr<WaitingLine> line_;  // where requests or their waiting are limited
  python::Ref app_, loop_, wake_, context_, lifespan_state_, as_coroutine_, log_error_, log_timeout_, log_blocked_,
      finished_;
  asyncio::Loop* host_ = nullptr;  // that `loop_` is; null for a guest
  Version version_;
  std::unique_ptr<TaskStarter> tasks_;
  std::unique_ptr<ScopeBuilder> scopes_;
  std::deque<std::shared_ptr<Exchange>> queue_;
  Places<std::shared_ptr<Exchange>> running_;  // their tasks are suspended
  std::deque<std::shared_ptr<Exchange>> waiting_;
  std::size_t inside_ = 0;  // counted requests that the application works on
  std::thread::id thread_;
  std::uint64_t turn_ = 0;
  net::Clock::time_point turn_began_;
  int drives_ = 0;      // on the stack: more than one where a request turns the loop (nest_asyncio, debuggers)
  int queue_runs_ = 0;  // the same of run_queue
  bool may_step_ = false;
  bool is_waiting_ = false;  // the loop's thread runs our code without the GIL
  unsigned depth_inside_ = 0;
  bool is_answered_for_ = false, was_answered_for_ = false;
  std::vector<std::string> blocked_requests_;
  unsigned long python_thread_ = 0;     // the loop's, as Python names it
  std::unique_ptr<Watchdog> watchdog_;  // where requests have a time limit
};

}  // namespace worker::asgi
