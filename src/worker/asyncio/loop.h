// asyncio::Loop: the hot parts of asyncio's event loop in C++: calls, timers, readers and writers, and the turn.
//
// It lives inside a Python object of type serai._engine.LoopBase, of which serai._loop.EventLoop derives beside
// asyncio.SelectorEventLoop: what is not here is asyncio's own. Both share the queue of ready handles (`_ready`, a
// deque) and the heap of timers (`_scheduled`, a list), so that asyncio's methods, which take over in debug mode, and
// those who reach into them (nest_asyncio) find what they know.
//
// It waits in a net::Loop: the engine's, when an engine drives it, or one of its own.
// On the loop's thread with the GIL, except where said. Everything may throw python::Raised.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "net/loop.h"
#include "worker/asyncio/support.h"
#include "worker/asyncio/watches.h"
#include "worker/state.h"

namespace worker::asyncio {

// Who turns the loop's net::Loop when the loop waits: the engine, which has more to do there.
class Driver {
 public:
  // Waits for something to do, `most` at most; negative: no limit.
  virtual void drive(net::nanoseconds most) = 0;

 protected:
  ~Driver() = default;
};

// loop.time()
inline double seconds_now() { return std::chrono::duration<double>(net::Clock::now().time_since_epoch()).count(); }

class Loop {
 public:
  // `self` is the LoopBase that it lives in.
  Loop(State& state, Support& support, PyObject* self);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Null for a loop of another kind.
  static Loop* of(const State& state, PyObject* object);

  // --- for the engine
  // Before the loop has waited or watched anything. The net::Loop outlives the driver's stay.
  void set_driver(Driver& driver, std::shared_ptr<net::Loop> net);
  void remove_driver() { driver_ = nullptr; }
  // It need not wait.
  bool has_work() const { return has_ready() || stopping || until_next_timer() == net::nanoseconds(0); }
  // Negative: there is none.
  net::nanoseconds until_next_timer() const;
  // Around waiting, with the GIL, which is given up in between only. Gives how long to wait: not at all when a call is
  // queued. Other threads wake a loop that waits; what came for readers and writers is queued.
  net::nanoseconds before_wait(net::nanoseconds most);
  void after_wait();

  // --- for LoopBase
  python::Ref call_soon(PyObject* callback, python::Ref arguments, PyObject* context);
  python::Ref call_at(PyObject* when, PyObject* callback, python::Ref arguments, PyObject* context);
  python::Ref create_future() const;
  // From any thread: a loop that sleeps looks around.
  void wake();
  void run_once();
  void select(net::nanoseconds most);
  void check_open() const;
  // When it is closed.
  void release_descriptors();
  python::Ref add_watch(int fd, Direction direction, PyObject* callback, python::Ref arguments);
  bool remove_watch(int fd, Direction direction);
  // selectors.EVENT_READ (1) and EVENT_WRITE (2).
  int watched(int fd) const;
  int visit(visitproc visitor, void* arg) const;
  void clear();

  Support& support() const { return support_; }

  // --- for handles
  bool is_debugged() const { return debug; }
  void note_cancelled_timer() { cancelled_timers++; }

  // What asyncio calls _ready, _scheduled, _timer_cancelled_count, _stopping, _closed and _debug.
  python::Ref ready, scheduled;
  Py_ssize_t cancelled_timers = 0;
  bool stopping = false, closed = false, debug = false;

 private:
  bool has_ready() const;
  Py_ssize_t ready_count() const;
  Py_ssize_t timer_count() const { return scheduled.is_set() ? PyList_GET_SIZE(scheduled.get()) : 0; }
  python::Ref first_timer() const { return python::Ref::borrow(PyList_GET_ITEM(scheduled.get(), 0)); }
  net::Loop& net();
  Watches& watches();
  python::Ref context_or_current(PyObject* context) const;
  void queue(PyObject* handle);
  void reap_timers();
  void forget_cancelled_timers();
  void queue_due_timers();
  void run_ready();
  void run(PyObject* handle);
  void report(PyObject* handle);

  State& state_;
  Support& support_;
  PyObject* self_;
  Driver* driver_ = nullptr;
  std::shared_ptr<net::Loop> net_;
  std::optional<Watches> watches_;
  std::atomic<bool> asleep_ = false;
};

}  // namespace worker::asyncio
