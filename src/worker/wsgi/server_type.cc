#include "worker/wsgi/server_type.h"

#include <structmember.h>

#include <new>

#include "worker/server_face.h"
#include "worker/wsgi/handler.h"

namespace worker::wsgi {
namespace {

struct WsgiServer {
  PyObject_HEAD std::unique_ptr<Handler> handler;
  std::vector<int> sockets;
  PyObject* app;
};

WsgiServer& server_of(PyObject* self) { return *reinterpret_cast<WsgiServer*>(self); }

Handler& handler_of(PyObject* self) {
  if (!server_of(self).handler) python::raise(PyExc_RuntimeError, "WsgiServer.__init__ was not called");
  return *server_of(self).handler;
}

PyObject* new_server(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  new (&server_of(self).handler) std::unique_ptr<Handler>();
  new (&server_of(self).sockets) std::vector<int>();
  return self;
}

int init_server(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return python::guard(-1, [&] {
    static const char* names[] = {"app", "sockets", "options", nullptr};
    PyObject *app = nullptr, *sockets = nullptr, *options = nullptr;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO:WsgiServer", const_cast<char**>(names), &app, &sockets,
                                     &options)) {
      python::rethrow();
    }
    WsgiServer& server = server_of(self);
    server.sockets = read_sockets(sockets);
    server.handler = std::make_unique<Handler>(State::of_type(Py_TYPE(self)), app, read_options(options));
    Py_XSETREF(server.app, Py_NewRef(app));
    return 0;
  });
}

int traverse_server(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(server_of(self).app);
  return 0;
}

int clear_server(PyObject* self) {
  Py_CLEAR(server_of(self).app);
  return 0;
}

void dealloc_server(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(server_of(self).app);
  std::destroy_at(&server_of(self).handler);
  std::destroy_at(&server_of(self).sockets);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* run(PyObject* self, PyObject* on_ready) {
  return python::guard([&] {
    handler_of(self);
    python::Ref function = python::attribute(python::import("serai._wsgi").get(), "run");
    return python::call(function.get(), self, on_ready).release();
  });
}

PyObject* drain(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    IdleConnections idle = read_drain_arguments(arguments, keywords);
    if (Handler& handler = handler_of(self); handler.is_open()) {
      handler.server().request_drain(idle);
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* stop(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    if (Handler& handler = handler_of(self); handler.is_open()) {
      handler.server().request_stop();
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* listen(PyObject* self, PyObject* list) {
  return python::guard([&]() -> PyObject* {
    Handler& handler = handler_of(self);
    if (handler.is_open()) listen_later(handler.server(), read_sockets(list));
    return Py_NewRef(Py_None);
  });
}

PyObject* reopen_log(PyObject* self, PyObject* descriptor) {
  return python::guard([&]() -> PyObject* {
    int fd = static_cast<int>(PyLong_AsLong(descriptor));
    if (PyErr_Occurred()) python::rethrow();
    if (Handler& handler = handler_of(self); handler.is_open()) {
      handler.server().loop().post([&handler, fd] { handler.server().set_access_log(fd); });
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* get_stats(PyObject* self, PyObject*) {
  return python::guard([&] { return stats(handler_of(self).counters()).release(); });
}

// --- for _wsgi.py ---------------------------------------------------------------------------------------------------

PyObject* open(PyObject* self, PyObject* arguments) {
  return python::guard([&]() -> PyObject* {
    PyObject *wrapper = nullptr, *place = nullptr, *input = nullptr, *log_error = nullptr, *log_timeout = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOOOO:_open", &wrapper, &place, &input, &log_error, &log_timeout)) {
      python::rethrow();
    }
    auto borrow = python::Ref::borrow;
    handler_of(self).open({borrow(wrapper), borrow(place), borrow(input), borrow(log_error), borrow(log_timeout)},
                          server_of(self).sockets);
    return Py_NewRef(Py_None);
  });
}

PyObject* watch_signals(PyObject* self, PyObject* descriptor) {
  return python::guard([&]() -> PyObject* {
    int fd = PyObject_AsFileDescriptor(descriptor);
    python::checked(fd);
    handler_of(self).watch_signals(fd);
    return Py_NewRef(Py_None);
  });
}

PyObject* tell_end_to(PyObject* self, PyObject* descriptor) {
  return python::guard([&]() -> PyObject* {
    int fd = PyObject_AsFileDescriptor(descriptor);
    python::checked(fd);
    handler_of(self).tell_end_to(fd);
    return Py_NewRef(Py_None);
  });
}

PyObject* work(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    handler_of(self).work();
    return Py_NewRef(Py_None);
  });
}

// Ends the server; gives the outcome.
PyObject* close(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    Handler& handler = handler_of(self);
    int outcome = handler.is_open() ? static_cast<int>(handler.server().outcome()) : 0;
    handler.close();
    return python::integer(outcome).release();
  });
}

PyObject* get_threads(PyObject* self, void*) {
  return python::guard(
      [&] { return python::integer(static_cast<long long>(handler_of(self).options().threads)).release(); });
}

PyMethodDef methods[] = {
    {"run", run, METH_O, nullptr},
    {"drain", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(drain)), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"stop", stop, METH_NOARGS, nullptr},
    {"listen", listen, METH_O, nullptr},
    {"reopen_log", reopen_log, METH_O, nullptr},
    {"stats", get_stats, METH_NOARGS, nullptr},
    {"_open", open, METH_VARARGS, nullptr},
    {"_watch_signals", watch_signals, METH_O, nullptr},
    {"_tell_end_to", tell_end_to, METH_O, nullptr},
    {"_work", work, METH_NOARGS, nullptr},
    {"_close", close, METH_NOARGS, nullptr},
    {},
};

PyGetSetDef properties[] = {{"_threads", get_threads, nullptr, nullptr, nullptr}, {}};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(new_server)},
    {Py_tp_init, reinterpret_cast<void*>(init_server)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_server)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_server)},
    {Py_tp_clear, reinterpret_cast<void*>(clear_server)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {},
};

PyType_Spec spec = {"serai._engine.WsgiServer", sizeof(WsgiServer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

void add_server_type(PyObject* module) {
  python::Ref type = python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
  python::checked(PyModule_AddObjectRef(module, "WsgiServer", type.get()));
}

}  // namespace worker::wsgi
