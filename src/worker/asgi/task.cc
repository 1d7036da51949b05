#include "worker/asgi/task.h"

#include <array>

#include "python/convert.h"
#include "worker/asgi/context_scope.h"

namespace worker::asgi {
namespace {

// Stands in for `loop.call_soon` while a Task is constructed: puts (callback, context) into the list it is bound to.
PyObject* capture_call_soon(PyObject* captured, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    if (count != 1) python::raise(PyExc_RuntimeError, "asyncio.Task did not schedule its first step as expected");
    PyObject* context = keywords && PyTuple_GET_SIZE(keywords) == 1 ? arguments[1] : Py_None;
    python::checked(PyList_Append(captured, arguments[0]));
    python::checked(PyList_Append(captured, context));
    return Py_NewRef(Py_None);
  });
}

PyMethodDef capture_definition = {"call_soon",
                                  reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(capture_call_soon)),
                                  METH_FASTCALL | METH_KEYWORDS, nullptr};

}  // namespace

TaskStarter::TaskStarter(const Names& names, python::Ref loop) : names_(names), loop_(std::move(loop)) {
  python::Ref asyncio = python::import("asyncio");
  task_type_ = python::attribute(asyncio.get(), "Task");
  current_task_ = python::attribute(asyncio.get(), "current_task");
  get_task_factory_ = python::attribute(loop_.get(), names_.get_task_factory.get());
  eager_options_ = python::checked(PyDict_New());
  python::set_item(eager_options_.get(), names_.loop.get(), loop_.get());
  python::set_item(eager_options_.get(), names_.eager_start.get(), Py_True);
  plain_names_ = python::checked(PyTuple_Pack(2, names_.loop.get(), names_.context.get()));
  loop_dict_ = python::attribute(loop_.get(), "__dict__");
  captured_ = python::checked(PyList_New(0));
  capture_ = python::checked(PyCFunction_New(&capture_definition, captured_.get()));
}

bool TaskStarter::has_current_task() const { return python::call(current_task_.get(), loop_.get()).get() != Py_None; }

python::Ref TaskStarter::start(PyObject* coroutine, PyObject* context, Start when) {
  if (has_task_factory()) return start_by_loop(coroutine, context);
#if PY_VERSION_HEX >= 0x030C0000
  if (when == Start::now) return start_eagerly(coroutine, context);
#else
  if (when == Start::now) return start_stepped(coroutine, context);
#endif
  return make_task(coroutine, context);
}

// asyncio's own loops keep it in an attribute (BaseEventLoop._task_factory); others have to be asked.
bool TaskStarter::has_task_factory() const {
  PyObject* factory = PyDict_GetItemWithError(loop_dict_.get(), names_.task_factory.get());
  if (factory) return factory != Py_None;
  if (PyErr_Occurred()) python::rethrow();
  return python::call(get_task_factory_.get()).get() != Py_None;
}

python::Ref TaskStarter::start_eagerly(PyObject* coroutine, PyObject* context) {
  // Task has no vectorcall: options that are a dict already save making one each time. They are read before the first
  // step, so a step that starts another task does no harm.
  python::Ref arguments = python::checked(PyTuple_Pack(1, coroutine));
  python::set_item(eager_options_.get(), names_.context.get(), context);
  python::Ref task = python::checked(PyObject_Call(task_type_.get(), arguments.get(), eager_options_.get()));
  python::set_item(eager_options_.get(), names_.context.get(), Py_None);
  return task;
}

python::Ref TaskStarter::make_task(PyObject* coroutine, PyObject* context) {
#if PY_VERSION_HEX >= 0x030B0000
  std::array<PyObject*, 4> arguments = {nullptr, coroutine, loop_.get(), context};
  return python::checked(PyObject_Vectorcall(task_type_.get(), arguments.data() + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                             plain_names_.get()));
#else
  // 3.10's Task has no `context`: it copies the one it is constructed in.
  ContextScope scope(context);
  python::Ref only_loop = python::checked(PyTuple_Pack(1, names_.loop.get()));
  std::array<PyObject*, 3> arguments = {nullptr, coroutine, loop_.get()};
  return python::checked(
      PyObject_Vectorcall(task_type_.get(), arguments.data() + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, only_loop.get()));
#endif
}

python::Ref TaskStarter::start_stepped(PyObject* coroutine, PyObject* context) {
  python::checked(PyDict_SetItem(loop_dict_.get(), names_.call_soon.get(), capture_.get()));
  python::Ref task;
  try {
    task = make_task(coroutine, context);
  } catch (const python::Raised&) {
    python::Ref pending = python::take_exception();
    PyDict_DelItem(loop_dict_.get(), names_.call_soon.get());
    python::restore_exception(std::move(pending));
    throw;
  }
  python::checked(PyDict_DelItem(loop_dict_.get(), names_.call_soon.get()));
  python::Ref step = python::Ref::borrow(PyList_GetItem(captured_.get(), 0));
  python::Ref step_context = python::Ref::borrow(PyList_GetItem(captured_.get(), 1));
  python::checked(PyList_SetSlice(captured_.get(), 0, 2, nullptr));
  ContextScope scope(step_context.get() == Py_None ? context : step_context.get());
  python::call(step.get());
  return task;
}

python::Ref TaskStarter::start_by_loop(PyObject* coroutine, PyObject* context) {
  python::Ref create_task = python::attribute(loop_.get(), names_.create_task.get());
#if PY_VERSION_HEX >= 0x030B0000
  std::array<PyObject*, 3> arguments = {nullptr, coroutine, context};
  python::Ref keywords = python::checked(PyTuple_Pack(1, names_.context.get()));
  return python::checked(
      PyObject_Vectorcall(create_task.get(), arguments.data() + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, keywords.get()));
#else
  ContextScope scope(context);
  return python::call(create_task.get(), coroutine);
#endif
}

}  // namespace worker::asgi
