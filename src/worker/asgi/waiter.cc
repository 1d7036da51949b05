#include "worker/asgi/waiter.h"

#include <structmember.h>

#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "python/convert.h"
#include "worker/asgi/context_scope.h"

namespace worker::asgi {
namespace {

// The part of asyncio.Future that Task uses of what it is given to wait on (asyncio/tasks.py, __step, __wakeup,
// cancel).
struct Waiter {
  enum class Outcome : std::uint8_t { none, done, cancelled };
  struct Callback {
    python::Ref function, context;
  };

  PyObject_HEAD python::Ref loop;
  std::vector<Callback> callbacks;
  python::Ref cancel_message;
  Outcome outcome;
  bool blocking;  // _asyncio_future_blocking: just given out
};

Waiter& waiter_of(PyObject* self) { return *reinterpret_cast<Waiter*>(self); }

void call_soon(State& state, PyObject* self, const Waiter::Callback& callback) {
  python::Ref method = python::attribute(waiter_of(self).loop.get(), state.names.call_soon.get());
  python::Ref keyword = python::checked(PyTuple_Pack(1, state.names.context.get()));
  PyObject* arguments[] = {nullptr, callback.function.get(), self, callback.context.get()};
  python::checked(PyObject_Vectorcall(method.get(), arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, keyword.get()));
}

void settle(State& state, PyObject* self, Waiter::Outcome outcome, Wake how) {
  Waiter& waiter = waiter_of(self);
  waiter.outcome = outcome;
  auto callbacks = std::move(waiter.callbacks);
  for (const Waiter::Callback& callback : callbacks) {
    if (how == Wake::by_loop) {
      call_soon(state, self, callback);
      continue;
    }
    ContextScope scope(callback.context.get());
    python::call(callback.function.get(), self);
  }
  // The vector's memory serves the next wait.
  callbacks.clear();
  if (waiter.callbacks.empty()) waiter.callbacks = std::move(callbacks);
}

// add_done_callback(function, *, context)
PyObject* add_done_callback(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    if (count != 1) python::raise(PyExc_TypeError, "add_done_callback() takes one function");
    bool has_context = keywords && PyTuple_GET_SIZE(keywords) == 1;
    Waiter::Callback callback{python::Ref::borrow(arguments[0]), has_context
                                                                     ? python::Ref::borrow(arguments[1])
                                                                     : python::checked(PyContext_CopyCurrent())};
    if (waiter_of(self).outcome == Waiter::Outcome::none)
      waiter_of(self).callbacks.push_back(std::move(callback));
    else
      call_soon(State::of_type(Py_TYPE(self)), self, callback);
    return Py_NewRef(Py_None);
  });
}

PyObject* remove_done_callback(PyObject* self, PyObject* function) {
  return python::guard([&] {
    auto count = std::erase_if(waiter_of(self).callbacks, [&](const Waiter::Callback& callback) {
      int same = PyObject_RichCompareBool(callback.function.get(), function, Py_EQ);
      python::checked(same);
      return same != 0;
    });
    return python::integer(static_cast<long long>(count)).release();
  });
}

// cancel(msg=None)
PyObject* cancel(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    Waiter& waiter = waiter_of(self);
    if (waiter.outcome != Waiter::Outcome::none) return Py_NewRef(Py_False);
    bool has_message = count > 0 || (keywords && PyTuple_GET_SIZE(keywords) > 0);
    waiter.cancel_message = python::Ref::borrow(has_message ? arguments[0] : Py_None);
    settle(State::of_type(Py_TYPE(self)), self, Waiter::Outcome::cancelled, Wake::by_loop);
    return Py_NewRef(Py_True);
  });
}

PyObject* result(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    Waiter& waiter = waiter_of(self);
    if (waiter.outcome == Waiter::Outcome::done) return Py_NewRef(Py_None);
    python::Ref asyncio = python::import("asyncio");
    if (waiter.outcome == Waiter::Outcome::none) {
      python::Ref type = python::attribute(asyncio.get(), "InvalidStateError");
      python::raise(type.get(), "Result is not set.");
    }
    python::Ref type = python::attribute(asyncio.get(), "CancelledError");
    python::Ref error = waiter.cancel_message.get() == Py_None ? python::call(type.get())
                                                               : python::call(type.get(), waiter.cancel_message.get());
    PyErr_SetObject(type.get(), error.get());
    python::rethrow();
  });
}

PyObject* get_loop(PyObject* self, PyObject*) { return waiter_of(self).loop.share().release(); }
PyObject* is_done(PyObject* self, PyObject*) {
  return PyBool_FromLong(waiter_of(self).outcome != Waiter::Outcome::none);
}
PyObject* is_cancelled(PyObject* self, PyObject*) {
  return PyBool_FromLong(waiter_of(self).outcome == Waiter::Outcome::cancelled);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Waiter& waiter = waiter_of(self);
  Py_VISIT(waiter.loop.get());
  Py_VISIT(waiter.cancel_message.get());
  for (const Waiter::Callback& callback : waiter.callbacks) {
    Py_VISIT(callback.function.get());
    Py_VISIT(callback.context.get());
  }
  return 0;
}

int clear(PyObject* self) {
  auto callbacks = std::move(waiter_of(self).callbacks);
  waiter_of(self).loop.clear();
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Waiter& waiter = waiter_of(self);
  std::destroy_at(&waiter.loop);
  std::destroy_at(&waiter.callbacks);
  std::destroy_at(&waiter.cancel_message);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef methods[] = {
    {"add_done_callback", as_method(add_done_callback), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"remove_done_callback", remove_done_callback, METH_O, nullptr},
    {"cancel", as_method(cancel), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"result", result, METH_NOARGS, nullptr},
    {"exception", result, METH_NOARGS, nullptr},  // None, unless it was cancelled
    {"get_loop", get_loop, METH_NOARGS, nullptr},
    {"done", is_done, METH_NOARGS, nullptr},
    {"cancelled", is_cancelled, METH_NOARGS, nullptr},
    {},
};

PyMemberDef members[] = {
    {"_asyncio_future_blocking", T_BOOL, offsetof(Waiter, blocking), 0, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {},
};

PyType_Spec spec = {"serai._engine.Waiter", sizeof(Waiter), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

python::Ref make_waiter(State& state, PyObject* loop) {
  auto* waiter = PyObject_GC_New(Waiter, reinterpret_cast<PyTypeObject*>(state.waiter_type.get()));
  if (!waiter) python::rethrow();
  new (&waiter->loop) python::Ref(python::Ref::borrow(loop));
  new (&waiter->callbacks) std::vector<Waiter::Callback>();
  new (&waiter->cancel_message) python::Ref();
  waiter->outcome = Waiter::Outcome::none;
  waiter->blocking = true;
  auto* object = reinterpret_cast<PyObject*>(waiter);
  PyObject_GC_Track(object);
  return python::Ref::steal(object);
}

}  // namespace

void make_waiter_type(PyObject* module, State& state) {
  state.waiter_type = python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

python::Ref Waiters::wait(State& state, PyObject* loop) {
  // Those of an application that polls with a time-out would pile up.
  std::erase_if(waiting_,
                [](const python::Ref& waiter) { return waiter_of(waiter.get()).outcome != Waiter::Outcome::none; });
  python::Ref waiter = std::move(spare_);
  if (!waiter.is_set()) {
    waiter = make_waiter(state, loop);
  } else {
    waiter_of(waiter.get()).outcome = Waiter::Outcome::none;
    waiter_of(waiter.get()).blocking = true;
  }
  waiting_.push_back(waiter.share());
  return waiter;
}

void Waiters::wake_all(State& state, Wake how) {
  if (waiting_.size() == 1) {
    python::Ref waiter = std::move(waiting_.back());
    waiting_.pop_back();
    if (waiter_of(waiter.get()).outcome == Waiter::Outcome::none) {
      settle(state, waiter.get(), Waiter::Outcome::done, how);
    }
    if (Py_REFCNT(waiter.get()) == 1) spare_ = std::move(waiter);
    return;
  }
  std::vector<python::Ref> woken;
  woken.swap(waiting_);
  for (const python::Ref& waiter : woken) {
    if (waiter_of(waiter.get()).outcome != Waiter::Outcome::none) continue;
    settle(state, waiter.get(), Waiter::Outcome::done, how);
  }
}

}  // namespace worker::asgi
