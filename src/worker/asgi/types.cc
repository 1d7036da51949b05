#include "worker/asgi/types.h"

#include <structmember.h>

#include <new>

#include "python/convert.h"
#include "worker/asgi/handler.h"

namespace worker::asgi {
namespace {

// --- Operation ------------------------------------------------------------------------------------------------------

enum class Kind : std::uint8_t { receive, send };
//  fresh ──► done                      (at once)
//    │ ────► yielded ──► …             (this task has had enough of this turn; nothing is done yet, so that a
//    │                                  cancellation loses nothing)
//    └─────► waiting ──► … ──► done    (on a Waiter)
enum class Stage : std::uint8_t { fresh, yielded, waiting, done };

struct Operation {
  PyObject_HEAD python::Ref callable;  // Bound: the Receive or Send that made it, and keeps the exchange
  Exchange* exchange;
  python::Ref message;  // of send, until it is taken
  python::Ref result;
  Kind kind;
  Stage stage;
};

Operation* operation_of(PyObject* self) { return reinterpret_cast<Operation*>(self); }

// Hands a waiter to the task, as `yield from future` would (asyncio.Future.__await__).
PySendResult suspend(Operation& operation, python::Ref waiter, PyObject** result) {
  operation.stage = Stage::waiting;
  *result = waiter.release();
  return PYGEN_NEXT;
}

PySendResult complete(Operation& operation, PyObject** result) {
  operation.stage = Stage::done;
  *result = operation.result.share().release();
  return PYGEN_RETURN;
}

PySendResult advance_receive(Operation& operation, PyObject** result) {
  auto message = operation.exchange->try_receive();
  if (!message) return suspend(operation, operation.exchange->wait_to_receive(), result);
  operation.result = std::move(*message);
  return complete(operation, result);
}

PySendResult advance_send(Operation& operation, PyObject** result) {
  if (operation.message.is_set()) {
    python::Ref message = std::move(operation.message);
    operation.result = python::Ref::borrow(Py_None);
    Progress progress = operation.exchange->send(message.get());
    if (progress == Progress::done) return complete(operation, result);
  }
  if (operation.exchange->is_congested()) {
    return suspend(operation, operation.exchange->wait_to_send(), result);
  }
  return complete(operation, result);
}

PySendResult advance(PyObject* self, PyObject** result) {
  Operation& operation = *operation_of(self);
  if (operation.stage == Stage::done) return complete(operation, result);
  Handler::Inside inside(operation.exchange->handler());
  if (operation.stage == Stage::fresh && operation.exchange->spend_budget()) {
    operation.stage = Stage::yielded;
    *result = Py_NewRef(Py_None);  // a bare yield: the task goes on in the loop's next turn, as after sleep(0)
    return PYGEN_NEXT;
  }
  return operation.kind == Kind::receive ? advance_receive(operation, result) : advance_send(operation, result);
}

PySendResult operation_am_send(PyObject* self, PyObject*, PyObject** result) {
  *result = nullptr;
  return python::guard(PYGEN_ERROR, [&] { return advance(self, result); });
}

// Leaves with StopIteration(value), as generators do; no exception at all means None.
PyObject* stop_with(PyObject* value) {
  if (value != Py_None) {
    python::Ref stop = python::Ref::steal(PyObject_CallOneArg(PyExc_StopIteration, value));
    if (stop.is_set()) PyErr_SetObject(PyExc_StopIteration, stop.get());
  }
  Py_DECREF(value);
  return nullptr;
}

PyObject* operation_next(PyObject* self) {
  PyObject* result = nullptr;
  if (operation_am_send(self, Py_None, &result) != PYGEN_RETURN) return result;
  return stop_with(result);
}

PyObject* operation_send(PyObject* self, PyObject* value) {
  PyObject* result = nullptr;
  if (operation_am_send(self, value, &result) != PYGEN_RETURN) return result;
  if (result == Py_None) {
    Py_DECREF(result);
    PyErr_SetNone(PyExc_StopIteration);
    return nullptr;
  }
  return stop_with(result);
}

// throw(exception) or throw(type, value, traceback): what waits here does not handle exceptions, so it just leaves.
PyObject* operation_throw(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
    return nullptr;
  }
  PyObject* first = arguments[0];
  PyObject* value = count > 1 && arguments[1] != Py_None ? arguments[1] : nullptr;
  if (PyExceptionInstance_Check(first))
    PyErr_SetObject(PyExceptionInstance_Class(first), first);
  else if (value)
    PyErr_SetObject(first, value);
  else
    PyErr_SetNone(first);
  return nullptr;
}

PyObject* operation_close(PyObject*, PyObject*) { return Py_NewRef(Py_None); }

PyObject* itself(PyObject* self) { return Py_NewRef(self); }

void operation_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Operation* operation = operation_of(self);
  std::destroy_at(&operation->callable);
  std::destroy_at(&operation->message);
  std::destroy_at(&operation->result);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMethodDef operation_methods[] = {
    {"send", operation_send, METH_O, nullptr},
    {"throw", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(operation_throw)), METH_FASTCALL, nullptr},
    {"close", operation_close, METH_NOARGS, nullptr},
    {},
};

PyType_Slot operation_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(operation_dealloc)},
    {Py_tp_iter, reinterpret_cast<void*>(itself)},
    {Py_tp_iternext, reinterpret_cast<void*>(operation_next)},
    {Py_am_await, reinterpret_cast<void*>(itself)},
    {Py_am_send, reinterpret_cast<void*>(operation_am_send)},
    {Py_tp_methods, operation_methods},
    {},
};

PyType_Spec operation_spec = {"serai._engine.Operation", sizeof(Operation), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, operation_slots};

PyObject* make_operation(PyObject* callable, Exchange& exchange, Kind kind, PyObject* message) {
  State& state = State::of_type(Py_TYPE(callable));
  auto* type = reinterpret_cast<PyTypeObject*>(state.operation_type.get());
  auto* operation = PyObject_New(Operation, type);
  if (!operation) return nullptr;
  new (&operation->callable) python::Ref(python::Ref::borrow(callable));
  operation->exchange = &exchange;
  new (&operation->message) python::Ref(python::Ref::borrow(message));
  new (&operation->result) python::Ref();
  operation->kind = kind;
  operation->stage = Stage::fresh;
  return reinterpret_cast<PyObject*>(operation);
}

// --- receive, send and the done callback: callables bound to an exchange

struct Bound {
  PyObject_HEAD vectorcallfunc call;
  std::shared_ptr<Exchange> exchange;
};

Bound* bound_of(PyObject* self) { return reinterpret_cast<Bound*>(self); }

bool wrong_arguments(const char* name, Py_ssize_t want, std::size_t flagged_count, PyObject* keywords) {
  bool right = PyVectorcall_NARGS(flagged_count) == want && (!keywords || PyTuple_GET_SIZE(keywords) == 0);
  if (!right) PyErr_Format(PyExc_TypeError, "%s() takes %zd positional argument(s)", name, want);
  return !right;
}

PyObject* call_receive(PyObject* self, PyObject* const*, std::size_t count, PyObject* keywords) {
  if (wrong_arguments("receive", 0, count, keywords)) return nullptr;
  return make_operation(self, *bound_of(self)->exchange, Kind::receive, nullptr);
}

PyObject* call_send(PyObject* self, PyObject* const* arguments, std::size_t count, PyObject* keywords) {
  if (wrong_arguments("send", 1, count, keywords)) return nullptr;
  return make_operation(self, *bound_of(self)->exchange, Kind::send, arguments[0]);
}

PyObject* call_done(PyObject* self, PyObject* const* arguments, std::size_t count, PyObject* keywords) {
  if (wrong_arguments("task_done", 1, count, keywords)) return nullptr;
  return python::guard([&]() -> PyObject* {
    bound_of(self)->exchange->on_task_done(arguments[0]);
    return Py_NewRef(Py_None);
  });
}

void bound_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  std::destroy_at(&bound_of(self)->exchange);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Bound, call), READONLY, nullptr},
    {},
};

PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(bound_dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, bound_members},
    {},
};

PyType_Spec bound_spec(const char* name) {
  return {name, sizeof(Bound), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
          bound_slots};
}

python::Ref make_bound(const python::Ref& type, vectorcallfunc call, std::shared_ptr<Exchange> exchange) {
  auto* bound = PyObject_New(Bound, reinterpret_cast<PyTypeObject*>(type.get()));
  if (!bound) python::rethrow();
  bound->call = call;
  new (&bound->exchange) std::shared_ptr<Exchange>(std::move(exchange));
  return python::Ref::steal(reinterpret_cast<PyObject*>(bound));
}

python::Ref make_type(PyObject* module, PyType_Spec spec) {
  return python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace

void make_types(PyObject* module, State& state) {
  make_waiter_type(module, state);
  state.operation_type = make_type(module, operation_spec);
  state.receive_type = make_type(module, bound_spec("serai._engine.Receive"));
  state.send_type = make_type(module, bound_spec("serai._engine.Send"));
  state.done_type = make_type(module, bound_spec("serai._engine.TaskDone"));
}

python::Ref make_receive(State& state, std::shared_ptr<Exchange> exchange) {
  return make_bound(state.receive_type, call_receive, std::move(exchange));
}

python::Ref make_send(State& state, std::shared_ptr<Exchange> exchange) {
  return make_bound(state.send_type, call_send, std::move(exchange));
}

python::Ref make_done_callback(State& state, std::shared_ptr<Exchange> exchange) {
  return make_bound(state.done_type, call_done, std::move(exchange));
}

}  // namespace worker::asgi
