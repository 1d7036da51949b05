#include "worker/asyncio/loop_type.h"

#include <array>
#include <new>
#include <string_view>
#include <vector>

#include "python/convert.h"

namespace worker::asyncio {
namespace {

struct LoopObject {
  PyObject_HEAD Loop loop;
};

// --- life -----------------------------------------------------------------------------------------------------------

// `type` is mostly a class derived in Python; the module is LoopBase's.
PyObject* module_of(PyTypeObject* type) {
  for (; type; type = type->tp_base) {
    if (PyObject* module = PyType_GetModule(type)) return module;
    PyErr_Clear();
  }
  python::raise(PyExc_TypeError, "this is no LoopBase");
}

PyObject* new_loop(PyTypeObject* type, PyObject*, PyObject*) {
  return python::guard([&] {
    PyObject* module = module_of(type);
    State& state = State::of_module(module);
    Support& support = support_of(state, module);
    python::Ref self = python::checked(type->tp_alloc(type, 0));
    new (&loop_in(self.get())) Loop(state, support, self.get());
    return self.release();
  });
}

int traverse_loop(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return loop_in(self).visit(visit, arg);
}

int clear_loop(PyObject* self) {
  loop_in(self).clear();
  return 0;
}

void dealloc_loop(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  std::destroy_at(&loop_in(self));
  type->tp_free(self);
  Py_DECREF(type);
}

// --- arguments ------------------------------------------------------------------------------------------------------

struct Arguments {
  PyObject* const* values;
  Py_ssize_t count;
  PyObject* keywords;  // names, whose values follow the others; or null

  PyObject* keyword(std::string_view name) const {
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
      if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, i), name.data()) == 0) return values[count + i];
    }
    return nullptr;
  }
};

// (…first, callback, *args, context=None): `first` is when, delay, a descriptor; or nothing.
struct Call {
  PyObject* first = nullptr;
  PyObject* callback;
  python::Ref arguments;
  PyObject* context;
};

Call read_call(const char* method, const char* first, const Arguments& given) {
  Py_ssize_t taken = 0, known = 0;
  auto next = [&](const char* name) {
    if (taken < given.count) return given.values[taken++];
    PyObject* value = given.keyword(name);
    if (!value) python::raise(PyExc_TypeError, std::string(method) + "() is missing its argument " + name);
    known++;
    return value;
  };
  Call call;
  if (first) call.first = next(first);
  call.callback = next("callback");
  call.context = given.keyword("context");
  if (call.context) known++;
  if (given.keywords && known != PyTuple_GET_SIZE(given.keywords)) {
    python::raise(PyExc_TypeError, std::string(method) + "() got a keyword argument that it does not know");
  }
  call.arguments = python::checked(PyTuple_New(given.count - taken));
  for (Py_ssize_t i = taken; i < given.count; i++) {
    PyTuple_SET_ITEM(call.arguments.get(), i - taken, Py_NewRef(given.values[i]));
  }
  return call;
}

// asyncio's own method, for debug mode.
python::Ref as_asyncio_does(PyObject* self, const char* method, const Arguments& given) {
  python::Ref function = python::attribute(loop_in(self).support().base_loop.get(), method);
  const Py_ssize_t keywords = given.keywords ? PyTuple_GET_SIZE(given.keywords) : 0;
  std::vector<PyObject*> all = {self};
  all.insert(all.end(), given.values, given.values + given.count + keywords);
  return python::checked(
      PyObject_Vectorcall(function.get(), all.data(), static_cast<std::size_t>(given.count) + 1, given.keywords));
}

// --- methods --------------------------------------------------------------------------------------------------------

PyObject* call_soon(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&] {
    const Arguments given = {values, count, keywords};
    Loop& loop = loop_in(self);
    if (loop.debug) return as_asyncio_does(self, "call_soon", given).release();
    Call call = read_call("call_soon", nullptr, given);
    return loop.call_soon(call.callback, std::move(call.arguments), call.context).release();
  });
}

PyObject* call_soon_threadsafe(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&] {
    const Arguments given = {values, count, keywords};
    Loop& loop = loop_in(self);
    if (loop.debug) return as_asyncio_does(self, "call_soon_threadsafe", given).release();
    Call call = read_call("call_soon_threadsafe", nullptr, given);
    python::Ref handle = loop.call_soon(call.callback, std::move(call.arguments), call.context);
    loop.wake();
    return handle.release();
  });
}

python::Ref call_at(PyObject* self, PyObject* when, const char* method, Call call) {
  Loop& loop = loop_in(self);
  if (!loop.debug) return loop.call_at(when, call.callback, std::move(call.arguments), call.context);
  python::Ref keywords = python::checked(PyTuple_Pack(1, python::interned("context").get()));
  std::vector<PyObject*> values = {when, call.callback};
  const Py_ssize_t more = PyTuple_GET_SIZE(call.arguments.get());
  for (Py_ssize_t i = 0; i < more; i++) values.push_back(PyTuple_GET_ITEM(call.arguments.get(), i));
  values.push_back(call.context ? call.context : Py_None);
  return as_asyncio_does(self, method, {values.data(), 2 + more, keywords.get()});
}

PyObject* call_later(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&] {
    Call call = read_call("call_later", "delay", {values, count, keywords});
    if (call.first == Py_None) python::raise(PyExc_TypeError, "delay must not be None");
    if (loop_in(self).debug) return call_at(self, call.first, "call_later", std::move(call)).release();
    python::Ref now = python::checked(PyFloat_FromDouble(seconds_now()));
    python::Ref when = python::checked(PyNumber_Add(now.get(), call.first));
    return call_at(self, when.get(), "call_at", std::move(call)).release();
  });
}

PyObject* call_at_method(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&] {
    Call call = read_call("call_at", "when", {values, count, keywords});
    if (call.first == Py_None) python::raise(PyExc_TypeError, "when cannot be None");
    return call_at(self, call.first, "call_at", std::move(call)).release();
  });
}

PyObject* time(PyObject*, PyObject*) { return PyFloat_FromDouble(seconds_now()); }

PyObject* create_future(PyObject* self, PyObject*) {
  return python::guard([&] { return loop_in(self).create_future().release(); });
}

PyObject* write_to_self(PyObject* self, PyObject*) {
  loop_in(self).wake();
  return Py_NewRef(Py_None);
}

PyObject* run_once(PyObject* self, PyObject*) {
  return python::guard([&] {
    Loop& loop = loop_in(self);
    if (loop.debug) return as_asyncio_does(self, "_run_once", {nullptr, 0, nullptr}).release();
    loop.run_once();
    return Py_NewRef(Py_None);
  });
}

// _select(seconds or None), for asyncio's own _run_once.
PyObject* select(PyObject* self, PyObject* timeout) {
  return python::guard([&] {
    net::nanoseconds most(-1);
    if (timeout != Py_None) {
      const double seconds = PyFloat_AsDouble(timeout);
      if (seconds == -1 && PyErr_Occurred()) python::rethrow();
      most = std::chrono::duration_cast<net::nanoseconds>(
          std::chrono::duration<double>(std::min(std::max(seconds, 0.0), 1e9)));
    }
    loop_in(self).select(most);
    return Py_NewRef(Py_None);
  });
}

template <Direction direction>
PyObject* add_watch(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* keywords) {
  return python::guard([&] {
    const char* name = direction == Direction::read ? "_add_reader" : "_add_writer";
    Call call = read_call(name, "fd", {values, count, keywords});
    const int fd = PyObject_AsFileDescriptor(call.first);
    python::checked(fd);
    return loop_in(self).add_watch(fd, direction, call.callback, std::move(call.arguments)).release();
  });
}

template <Direction direction>
PyObject* remove_watch(PyObject* self, PyObject* file) {
  return python::guard([&] {
    const int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0 && !PyErr_ExceptionMatches(PyExc_ValueError)) python::rethrow();
    if (fd < 0) PyErr_Clear();  // closed already
    return PyBool_FromLong(fd >= 0 && loop_in(self).remove_watch(fd, direction));
  });
}

// _watched(fd): selectors.EVENT_READ | EVENT_WRITE, or 0.
PyObject* watched(PyObject* self, PyObject* file) {
  return python::guard([&] {
    const int fd = PyObject_AsFileDescriptor(file);
    python::checked(fd);
    return python::integer(loop_in(self).watched(fd)).release();
  });
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

constexpr int with_keywords = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef methods[] = {
    {"call_soon", as_method(call_soon), with_keywords, nullptr},
    {"call_soon_threadsafe", as_method(call_soon_threadsafe), with_keywords, nullptr},
    {"call_later", as_method(call_later), with_keywords, nullptr},
    {"call_at", as_method(call_at_method), with_keywords, nullptr},
    {"time", time, METH_NOARGS, nullptr},
    {"create_future", create_future, METH_NOARGS, nullptr},
    {"_write_to_self", write_to_self, METH_NOARGS, nullptr},
    {"_run_once", run_once, METH_NOARGS, nullptr},
    {"_select", select, METH_O, nullptr},
    {"_add_reader", as_method(add_watch<Direction::read>), with_keywords, nullptr},
    {"_add_writer", as_method(add_watch<Direction::write>), with_keywords, nullptr},
    {"_remove_reader", remove_watch<Direction::read>, METH_O, nullptr},
    {"_remove_writer", remove_watch<Direction::write>, METH_O, nullptr},
    {"_watched", watched, METH_O, nullptr},
    {},
};

// --- attributes that asyncio's own code reads and writes

template <python::Ref Loop::* member>
PyObject* get_object(PyObject* self, void*) {
  const python::Ref& object = loop_in(self).*member;
  if (object.is_set()) return object.share().release();
  PyErr_SetString(PyExc_AttributeError, "the event loop was not initialised");
  return nullptr;
}

template <python::Ref Loop::* member>
int set_object(PyObject* self, PyObject* value, void*) {
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "the event loop needs it");
    return -1;
  }
  loop_in(self).*member = python::Ref::borrow(value);
  return 0;
}

int set_scheduled(PyObject* self, PyObject* value, void*) {
  if (value && !PyList_CheckExact(value)) {
    PyErr_SetString(PyExc_TypeError, "_scheduled must be a list");
    return -1;
  }
  return set_object<&Loop::scheduled>(self, value, nullptr);
}

template <bool Loop::* member>
PyObject* get_flag(PyObject* self, void*) {
  return PyBool_FromLong(loop_in(self).*member);
}

template <bool Loop::* member>
int set_flag(PyObject* self, PyObject* value, void*) {
  const int is_true = value ? PyObject_IsTrue(value) : 0;
  if (is_true < 0) return -1;
  loop_in(self).*member = is_true != 0;
  return 0;
}

PyObject* get_cancelled_timers(PyObject* self, void*) { return PyLong_FromSsize_t(loop_in(self).cancelled_timers); }

int set_cancelled_timers(PyObject* self, PyObject* value, void*) {
  const Py_ssize_t count = value ? PyLong_AsSsize_t(value) : 0;
  if (count == -1 && PyErr_Occurred()) return -1;
  loop_in(self).cancelled_timers = count;
  return 0;
}

int set_closed(PyObject* self, PyObject* value, void*) {
  if (set_flag<&Loop::closed>(self, value, nullptr) < 0) return -1;
  if (loop_in(self).closed) loop_in(self).release_descriptors();
  return 0;
}

PyObject* get_transport_type(PyObject* self, void*) {
  return loop_in(self).support().socket_transport.share().release();
}

PyGetSetDef attributes[] = {
    {"_transport_type", get_transport_type, nullptr, nullptr, nullptr},
    {"_ready", get_object<&Loop::ready>, set_object<&Loop::ready>, nullptr, nullptr},
    {"_scheduled", get_object<&Loop::scheduled>, set_scheduled, nullptr, nullptr},
    {"_timer_cancelled_count", get_cancelled_timers, set_cancelled_timers, nullptr, nullptr},
    {"_stopping", get_flag<&Loop::stopping>, set_flag<&Loop::stopping>, nullptr, nullptr},
    {"_closed", get_flag<&Loop::closed>, set_closed, nullptr, nullptr},
    {"_debug", get_flag<&Loop::debug>, set_flag<&Loop::debug>, nullptr, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(new_loop)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_loop)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_loop)},
    {Py_tp_clear, reinterpret_cast<void*>(clear_loop)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {},
};

PyType_Spec spec = {"serai._engine.LoopBase", sizeof(LoopObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

Loop& loop_in(PyObject* object) { return reinterpret_cast<LoopObject*>(object)->loop; }

void add_loop_type(PyObject* module, State& state) {
  state.loop_type = python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
  python::checked(PyModule_AddObjectRef(module, "LoopBase", state.loop_type.get()));
}

}  // namespace worker::asyncio
