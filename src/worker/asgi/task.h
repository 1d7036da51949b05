// asgi::TaskStarter: runs a coroutine's first step now, while the loop waits, in an asyncio.Task of its own.
//
// 3.12 and later: asyncio.Task(..., eager_start=True). Before: a normal Task whose first `loop.call_soon` is caught and
// run at once (reference: CPython Modules/_asynciomodule.c, task_call_step_soon). Either way `current_task()` is that
// task, a suspended coroutine goes on under the loop, and an exception stays in the task. If the application set a task
// factory, the factory makes the task and the loop starts it.
// Loop thread only, GIL held.
#pragma once

#include "python/ref.h"
#include "worker/names.h"

namespace worker::asgi {

enum class Start { now, by_loop };

class TaskStarter {
 public:
  // `loop` is the running loop.
  TaskStarter(const Names& names, python::Ref loop);

  // Takes the coroutine's first step in `context` unless told otherwise. KeyboardInterrupt and SystemExit raised by the
  // step leave here as python::Raised; other exceptions stay in the task that is returned.
  python::Ref start(PyObject* coroutine, PyObject* context, Start when);
  // True while some task is being stepped, as when a debugger runs the loop inside a task.
  bool has_current_task() const;

 private:
  bool has_task_factory() const;
  python::Ref start_eagerly(PyObject* coroutine, PyObject* context);
  python::Ref start_stepped(PyObject* coroutine, PyObject* context);
  python::Ref start_by_loop(PyObject* coroutine, PyObject* context);
  python::Ref make_task(PyObject* coroutine, PyObject* context);

  const Names& names_;
  python::Ref loop_, task_type_, get_task_factory_, current_task_, eager_options_, plain_names_;
  python::Ref loop_dict_, capture_, captured_;
};

}  // namespace worker::asgi
