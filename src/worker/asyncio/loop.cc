#include "worker/asyncio/loop.h"

#include <algorithm>
#include <array>
#include <utility>

#include "python/convert.h"
#include "python/gil.h"
#include "worker/asyncio/loop_type.h"

namespace worker::asyncio {
namespace {

using net::nanoseconds;

// As asyncio.base_events: cancelled timers are taken out of the heap when they are the majority of so many.
constexpr Py_ssize_t few_timers = 100;
// asyncio's own limit to waiting (MAXIMUM_SELECT_TIMEOUT).
constexpr auto longest_wait = std::chrono::hours(24);

}  // namespace

Loop::Loop(State& state, Support& support, PyObject* self) : state_(state), support_(support), self_(self) {}

void Loop::set_driver(Driver& driver, std::shared_ptr<net::Loop> net) {
  if (net_) python::raise(PyExc_RuntimeError, "the event loop was used before the engine came");
  driver_ = &driver;
  net_ = std::move(net);
}

net::Loop& Loop::net() {
  if (!net_) {
    auto own = net::Loop::create();
    if (!own) python::raise(PyExc_OSError, own.error().describe());
    net_ = std::move(*own);
  }
  return *net_;
}

Watches& Loop::watches() {
  if (!watches_) watches_.emplace(net(), support_.handles);
  return *watches_;
}

void Loop::check_open() const {
  if (closed) python::raise(PyExc_RuntimeError, "Event loop is closed");
  if (!ready.is_set() || !scheduled.is_set()) python::raise(PyExc_RuntimeError, "EventLoop.__init__ was not called");
}

void Loop::release_descriptors() {
  if (watches_) watches_->clear();
  watches_.reset();
  net_.reset();
}

// --- calls and timers -----------------------------------------------------------------------------------------------

python::Ref Loop::context_or_current(PyObject* context) const {
  if (context && context != Py_None) return python::Ref::borrow(context);
  return python::checked(PyContext_CopyCurrent());
}

void Loop::queue(PyObject* handle) { python::call(support_.append.get(), ready.get(), handle); }

python::Ref Loop::call_soon(PyObject* callback, python::Ref arguments, PyObject* context) {
  check_open();
  python::Ref handle = support_.handles.make(self_, callback, std::move(arguments), context_or_current(context));
  queue(handle.get());
  return handle;
}

python::Ref Loop::call_at(PyObject* when, PyObject* callback, python::Ref arguments, PyObject* context) {
  check_open();
  const double seconds = PyFloat_AsDouble(when);
  if (seconds == -1 && PyErr_Occurred()) python::rethrow();
  python::Ref timer =
      support_.handles.make_timer(self_, when, seconds, callback, std::move(arguments), context_or_current(context));
  python::call(support_.heappush.get(), scheduled.get(), timer.get());
  support_.handles.set_scheduled(timer.get(), true);
  return timer;
}

python::Ref Loop::create_future() const {
  std::array<PyObject*, 2> arguments = {nullptr, self_};
  return python::checked(PyObject_Vectorcall(support_.future_type.get(), arguments.data() + 1,
                                             PY_VECTORCALL_ARGUMENTS_OFFSET, support_.loop_keyword.get()));
}

nanoseconds Loop::until_next_timer() const {
  if (timer_count() == 0) return nanoseconds(-1);
  const double left = support_.handles.when(first_timer().get()) - seconds_now();
  if (left <= 0) return nanoseconds(0);
  const std::chrono::duration<double> wait =
      std::min(std::chrono::duration<double>(left), std::chrono::duration<double>(longest_wait));
  return std::max(std::chrono::duration_cast<nanoseconds>(wait), nanoseconds(1));
}

void Loop::reap_timers() {
  const Py_ssize_t count = timer_count();
  if (count > few_timers && cancelled_timers * 2 > count) return forget_cancelled_timers();
  while (timer_count() > 0 && support_.handles.is_cancelled(first_timer().get())) {
    cancelled_timers--;
    python::Ref timer = python::call(support_.heappop.get(), scheduled.get());
    support_.handles.set_scheduled(timer.get(), false);
  }
}

void Loop::forget_cancelled_timers() {
  python::Ref left = python::checked(PyList_New(0));
  for (Py_ssize_t i = 0; i < timer_count(); i++) {
    python::Ref timer = python::Ref::borrow(PyList_GET_ITEM(scheduled.get(), i));
    if (support_.handles.is_cancelled(timer.get()))
      support_.handles.set_scheduled(timer.get(), false);
    else
      python::checked(PyList_Append(left.get(), timer.get()));
  }
  python::call(support_.heapify.get(), left.get());
  cancelled_timers = 0;
  scheduled = std::move(left);
}

void Loop::queue_due_timers() {
  if (timer_count() == 0) return;
  const double end = seconds_now() + support_.clock_resolution;
  while (timer_count() > 0 && support_.handles.when(first_timer().get()) < end) {
    python::Ref timer = python::call(support_.heappop.get(), scheduled.get());
    support_.handles.set_scheduled(timer.get(), false);
    queue(timer.get());
  }
}

// --- waiting --------------------------------------------------------------------------------------------------------

void Loop::wake() {
  if (asleep_.exchange(false)) net_->wake();
}

void Loop::after_wait() {
  asleep_ = false;
  if (watches_) watches_->deliver([this](PyObject* handle) { queue(handle); });
}

// Whoever reckons in Python how long to wait (asyncio's own turn in debug mode, nest_asyncio) may give up the GIL
// afterwards: what other threads have queued since has woken nobody.
nanoseconds Loop::before_wait(nanoseconds most) {
  if (most != nanoseconds(0) && has_ready()) most = nanoseconds(0);
  asleep_ = most != nanoseconds(0);
  return most;
}

void Loop::select(nanoseconds most) {
  if (driver_) return driver_->drive(most);
  net::Loop& net = this->net();
  most = before_wait(most);
  {
    python::GilRelease released;
    net.turn(most);
  }
  after_wait();
  python::checked(PyErr_CheckSignals());
}

python::Ref Loop::add_watch(int fd, Direction direction, PyObject* callback, python::Ref arguments) {
  check_open();
  python::Ref handle = support_.handles.make(self_, callback, std::move(arguments), context_or_current(nullptr));
  watches().add(fd, direction, handle.share());
  return handle;
}

bool Loop::remove_watch(int fd, Direction direction) { return !closed && watches_ && watches_->remove(fd, direction); }

int Loop::watched(int fd) const { return watches_ ? watches_->events(fd) : 0; }

// --- the turn -------------------------------------------------------------------------------------------------------

Py_ssize_t Loop::ready_count() const {
  const Py_ssize_t count = PyObject_Size(ready.get());
  if (count < 0) python::rethrow();
  return count;
}

bool Loop::has_ready() const { return ready_count() > 0; }

// BaseEventLoop._run_once. Callbacks that these callbacks queue get a turn before the next look at the descriptors:
// what a finished timer or a woken future leads to mostly ends there.
void Loop::run_once() {
  reap_timers();
  select(has_ready() || stopping ? nanoseconds(0) : until_next_timer());
  queue_due_timers();
  run_ready();
  if (!stopping) run_ready();
}

void Loop::run_ready() {
  for (Py_ssize_t count = ready_count(); count > 0; count--) {
    if (!has_ready()) return;  // a callback has turned the loop
    python::Ref handle = python::call(support_.popleft.get(), ready.get());
    run(handle.get());
  }
}

void Loop::run(PyObject* handle) {
  Handles& handles = support_.handles;
  if (handles.is_cancelled(handle)) return;
  if (!handles.is_plain(handle) || !PyTuple_CheckExact(handles.arguments(handle))) {
    python::call_method(handle, support_.run_name.get());
    return;
  }
  // Held here: the callback may cancel its own handle.
  python::Ref callback = python::Ref::borrow(handles.callback(handle));
  python::Ref arguments = python::Ref::borrow(handles.arguments(handle));
  python::Ref context = python::Ref::borrow(handles.context(handle));
  if (PyContext_Enter(context.get()) < 0) return report(handle);
  PyObject* result = PyObject_Call(callback.get(), arguments.get(), nullptr);
  if (result) {
    Py_DECREF(result);
    python::checked(PyContext_Exit(context.get()));
    return;
  }
  python::Ref exception = python::take_exception();
  python::checked(PyContext_Exit(context.get()));
  python::restore_exception(std::move(exception));
  report(handle);
}

// Handle._run: the exception goes to the loop's handler of exceptions, unless it ends the program.
void Loop::report(PyObject* handle) {
  if (python::ends_program()) python::rethrow();
  python::Ref exception = python::take_exception();
  python::call_method(self_, support_.callback_raised.get(), handle, exception.get());
}

// --- garbage --------------------------------------------------------------------------------------------------------

int Loop::visit(visitproc visitor, void* arg) const {
  if (int stop = ready.visit(visitor, arg)) return stop;
  if (int stop = scheduled.visit(visitor, arg)) return stop;
  return watches_ ? watches_->visit(visitor, arg) : 0;
}

void Loop::clear() {
  ready.clear();
  scheduled.clear();
  if (watches_) watches_->clear();
}

Loop* Loop::of(const State& state, PyObject* object) {
  if (!state.loop_type.is_set()) return nullptr;
  auto* type = reinterpret_cast<PyTypeObject*>(state.loop_type.get());
  return object && PyObject_TypeCheck(object, type) ? &loop_in(object) : nullptr;
}

}  // namespace worker::asyncio
