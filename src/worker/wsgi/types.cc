#include "worker/wsgi/types.h"

#include <structmember.h>

#include <cstring>

#include "python/convert.h"
#include "worker/wsgi/exchange.h"

namespace worker::wsgi {
namespace {

struct StartResponse {
  PyObject_HEAD vectorcallfunc call;
  Exchange* exchange;  // null once the request is over
};

struct Write {
  PyObject_HEAD vectorcallfunc call;
  PyObject* start_response;
};

Exchange& exchange_of(PyObject* start_response) {
  Exchange* exchange = reinterpret_cast<StartResponse*>(start_response)->exchange;
  if (!exchange) python::raise(PyExc_RuntimeError, "the request is over");
  return *exchange;
}

PyObject* call_write(PyObject* self, PyObject* const* arguments, std::size_t flagged_count, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    if (PyVectorcall_NARGS(flagged_count) != 1 || keywords) python::raise(PyExc_TypeError, "write() takes one bytes");
    exchange_of(reinterpret_cast<Write*>(self)->start_response).write(arguments[0]);
    return Py_NewRef(Py_None);
  });
}

void dealloc_write(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_DECREF(reinterpret_cast<Write*>(self)->start_response);
  PyObject_Free(self);
  Py_DECREF(type);
}

python::Ref make_write(State& state, PyObject* start_response) {
  auto* write = PyObject_New(Write, reinterpret_cast<PyTypeObject*>(state.write_type.get()));
  if (!write) python::rethrow();
  write->call = call_write;
  write->start_response = Py_NewRef(start_response);
  return python::Ref::steal(reinterpret_cast<PyObject*>(write));
}

// (status, headers, exc_info=None): PEP 3333 names the parameters, so exc_info may come by keyword.
PyObject* call_start_response(PyObject* self, PyObject* const* arguments, std::size_t flagged_count,
                              PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    Py_ssize_t positional = PyVectorcall_NARGS(flagged_count);
    Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    bool right = positional >= 2 && positional + named <= 3;
    if (right && named == 1) {
      right = PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "exc_info") == 0;
    }
    if (!right) python::raise(PyExc_TypeError, "start_response() takes status, headers and optionally exc_info");
    PyObject* exc_info = positional + named == 3 ? arguments[2] : Py_None;
    exchange_of(self).start_response(arguments[0], arguments[1], exc_info);
    return make_write(State::of_type(Py_TYPE(self)), self).release();
  });
}

void dealloc_start_response(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyObject* call_early_hints(PyObject*, PyObject* headers) {
  return python::guard([&]() -> PyObject* {
    Exchange* exchange = Exchange::current();
    if (!exchange) python::raise(PyExc_RuntimeError, "early hints belong to the thread that runs the request");
    exchange->send_early_hints(headers);
    return Py_NewRef(Py_None);
  });
}

PyMethodDef early_hints_definition = {"early_hints", call_early_hints, METH_O, nullptr};

PyMemberDef start_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(StartResponse, call), READONLY, nullptr},
    {},
};
PyMemberDef write_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Write, call), READONLY, nullptr},
    {},
};

PyType_Slot start_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_start_response)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, start_members},
    {},
};
PyType_Slot write_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_write)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_members, write_members},
    {},
};

constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION;
PyType_Spec start_spec = {"serai._engine.StartResponse", sizeof(StartResponse), 0, flags, start_slots};
PyType_Spec write_spec = {"serai._engine.Write", sizeof(Write), 0, flags, write_slots};

}  // namespace

void make_types(PyObject* module, State& state) {
  state.start_response_type = python::checked(PyType_FromModuleAndSpec(module, &start_spec, nullptr));
  state.write_type = python::checked(PyType_FromModuleAndSpec(module, &write_spec, nullptr));
}

python::Ref make_early_hints() { return python::checked(PyCFunction_New(&early_hints_definition, nullptr)); }

python::Ref make_start_response(State& state, Exchange& exchange) {
  auto* start = PyObject_New(StartResponse, reinterpret_cast<PyTypeObject*>(state.start_response_type.get()));
  if (!start) python::rethrow();
  start->call = call_start_response;
  start->exchange = &exchange;
  return python::Ref::steal(reinterpret_cast<PyObject*>(start));
}

void forget_exchange(PyObject* start_response) { reinterpret_cast<StartResponse*>(start_response)->exchange = nullptr; }

}  // namespace worker::wsgi
