// The extension module serai._engine. Multi-phase initialisation: all state is the module's.
#include <new>

#include "base/memory.h"
#include "http/compressor.h"
#include "python/convert.h"
#include "worker/asgi/server_type.h"
#include "worker/asgi/types.h"
#include "worker/asyncio/loop_type.h"
#include "worker/counters.h"
#include "worker/secure/context_type.h"
#include "worker/state.h"
#include "worker/wsgi/server_type.h"
#include "worker/wsgi/types.h"

namespace worker {
namespace {

State** slot_of(PyObject* module) { return static_cast<State**>(PyModule_GetState(module)); }

void add_integer(PyObject* module, const char* name, long value) {
  python::checked(PyModule_AddIntConstant(module, name, value));
}

void add_constants(PyObject* module) {
  python::checked(PyModule_AddStringConstant(module, "__version__", SERAI_VERSION));
  add_integer(module, "DRAINED", 0);
  add_integer(module, "TIMED_OUT", 1);
  add_integer(module, "STARTUP_FAILED", 3);
  add_integer(module, "PAGE_SIZE", static_cast<long>(page_bytes));
  add_integer(module, "PAGE_HISTOGRAMS", static_cast<long>(first_histogram));
  for (std::size_t i = 0; i < counter_names.size(); i++) {
    std::string name = "PAGE_";
    for (char c : counter_names[i]) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 0x20 : c);
    add_integer(module, name.c_str(), static_cast<long>(i));
  }
}

int execute(PyObject* module) {
  return python::guard(-1, [&] {
    base::keep_freed_memory();
    *slot_of(module) = new State();
    State& state = State::of_module(module);
    state.client_disconnected = python::checked(
        PyErr_NewExceptionWithDoc("serai._engine.ClientDisconnected",
                                  "The client went away before the response was complete.", PyExc_OSError, nullptr));
    python::checked(PyModule_AddObjectRef(module, "ClientDisconnected", state.client_disconnected.get()));
    state.request_timed_out = python::checked(PyErr_NewExceptionWithDoc(
        "serai._engine.RequestTimedOut", "The request took longer than its time limit and was answered with 504.",
        PyExc_BaseException, nullptr));
    python::checked(PyModule_AddObjectRef(module, "RequestTimedOut", state.request_timed_out.get()));
    asgi::make_types(module, state);
    asgi::add_server_type(module);
    asyncio::add_loop_type(module, state);
    wsgi::make_types(module, state);
    wsgi::add_server_type(module);
    secure::add_to_module(module);
    add_constants(module);
    return 0;
  });
}

// codings() -> tuple of str: what responses can be compressed with here.
PyObject* codings(PyObject*, PyObject*) {
  return python::guard([]() -> PyObject* {
    python::Ref list = python::checked(PyList_New(0));
    for (http::Coding coding : {http::Coding::zstd, http::Coding::br, http::Coding::gzip}) {
      if (!http::is_available(coding)) continue;
      python::checked(PyList_Append(list.get(), python::latin1(http::coding_name(coding)).get()));
    }
    return python::checked(PyList_AsTuple(list.get())).release();
  });
}

PyMethodDef functions[] = {{"codings", codings, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

void free_module(void* module) {
  State** slot = slot_of(static_cast<PyObject*>(module));
  if (slot) delete std::exchange(*slot, nullptr);
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_USED},  // a free-threaded CPython turns it on; python/serai/start.py says so
#endif
    {}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "serai._engine", nullptr, sizeof(State*), functions, slots, nullptr, nullptr, free_module};

}  // namespace

State& State::of_module(PyObject* module) { return **slot_of(module); }

State& State::of_type(PyTypeObject* type) { return **static_cast<State**>(PyType_GetModuleState(type)); }

}  // namespace worker

PyMODINIT_FUNC PyInit__engine() { return PyModuleDef_Init(&worker::definition); }
