// asgi::Waiters: the tasks that wait for one thing, such as a message to receive.
//
// What a task waits on is a Waiter, which is to asyncio's Task what a Future is. Unlike a Future it can go on with the
// task at once, while the loop waits, when no task is running: no handle, no queue, no turn of asyncio's loop. It is
// used again for the next wait. With the GIL, on the loop's thread.
#pragma once

#include <vector>

#include "python/ref.h"
#include "worker/state.h"

namespace worker::asgi {

// Makes the type and puts it into the state. Throws python::Raised.
void make_waiter_type(PyObject* module, State& state);

enum class Wake { now, by_loop };

class Waiters {
 public:
  bool empty() const { return waiting_.empty(); }
  // For an awaitable to yield to the task that awaits it; done when it is worth trying again.
  python::Ref wait(State& state, PyObject* loop);
  // `now`: from where no task is running.
  void wake_all(State& state, Wake how);

 private:
  std::vector<python::Ref> waiting_;
  python::Ref spare_;
};

}  // namespace worker::asgi
