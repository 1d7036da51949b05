#include "worker/asgi/server_type.h"

#include <structmember.h>

#include <new>

#include "worker/asgi/handler.h"
#include "worker/server_face.h"

namespace worker::asgi {
namespace {

struct AsgiServer {
  PyObject_HEAD std::shared_ptr<Handler> handler;
  std::vector<int> sockets;
  PyObject* app;
  PyObject* lifespan;
  PyObject* loop;
  PyObject* startup_error;
  int version;
};

AsgiServer& server_of(PyObject* self) { return *reinterpret_cast<AsgiServer*>(self); }

Handler& handler_of(PyObject* self) {
  if (!server_of(self).handler) python::raise(PyExc_RuntimeError, "AsgiServer.__init__ was not called");
  return *server_of(self).handler;
}

PyObject* new_server(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  AsgiServer& server = server_of(self);
  new (&server.handler) std::shared_ptr<Handler>();
  new (&server.sockets) std::vector<int>();
  server.startup_error = Py_NewRef(Py_None);
  return self;
}

int init_server(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return python::guard(-1, [&] {
    static const char* names[] = {"app", "sockets", "options", "version", "lifespan", "loop", nullptr};
    PyObject *app = nullptr, *sockets = nullptr, *options = nullptr, *lifespan = nullptr, *loop = nullptr;
    int version = 3;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$iUU:AsgiServer", const_cast<char**>(names), &app,
                                     &sockets, &options, &version, &lifespan, &loop)) {
      python::rethrow();
    }
    if (version != 2 && version != 3) python::raise(PyExc_ValueError, "version must be 2 or 3");
    AsgiServer& server = server_of(self);
    server.sockets = read_sockets(sockets);
    server.handler = std::make_shared<Handler>(State::of_type(Py_TYPE(self)), app,
                                               version == 2 ? Version::two : Version::three, read_options(options));
    server.version = version;
    Py_XSETREF(server.app, Py_NewRef(app));
    Py_XSETREF(server.lifespan, lifespan ? Py_NewRef(lifespan) : PyUnicode_FromString("auto"));
    Py_XSETREF(server.loop, loop ? Py_NewRef(loop) : PyUnicode_FromString("serai"));
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
  AsgiServer& server = server_of(self);
  Py_CLEAR(server.app);
  Py_CLEAR(server.lifespan);
  Py_CLEAR(server.loop);
  Py_CLEAR(server.startup_error);
  std::destroy_at(&server.handler);
  std::destroy_at(&server.sockets);
  type->tp_free(self);
  Py_DECREF(type);
}

// run(on_ready) -> int. `_asgi.run` gives (outcome, startup_error).
PyObject* run(PyObject* self, PyObject* on_ready) {
  return python::guard([&]() -> PyObject* {
    handler_of(self);
    python::Ref function = python::attribute(python::import("serai._asgi").get(), "run");
    python::Ref pair = python::call(function.get(), self, on_ready);
    PyObject *outcome = nullptr, *error = nullptr;
    if (!PyArg_ParseTuple(pair.get(), "OO", &outcome, &error)) python::rethrow();
    Py_SETREF(server_of(self).startup_error, Py_NewRef(error));
    return Py_NewRef(outcome);
  });
}

PyObject* drain(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return python::guard([&]() -> PyObject* {
    IdleConnections idle = read_drain_arguments(arguments, keywords);
    if (Handler& handler = handler_of(self); handler.is_attached()) {
      handler.server().request_drain(idle);
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* stop(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    if (Handler& handler = handler_of(self); handler.is_attached()) {
      handler.server().request_stop();
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* listen(PyObject* self, PyObject* sockets) {
  return python::guard([&]() -> PyObject* {
    if (Handler& handler = handler_of(self); handler.is_attached()) {
      listen_later(handler.server(), read_sockets(sockets));
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* reopen_log(PyObject* self, PyObject* descriptor) {
  return python::guard([&]() -> PyObject* {
    int fd = static_cast<int>(PyLong_AsLong(descriptor));
    if (PyErr_Occurred()) python::rethrow();
    if (Handler& handler = handler_of(self); handler.is_attached()) {
      handler.server().loop().post([&handler, fd] { handler.server().set_access_log(fd); });
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* get_stats(PyObject* self, PyObject*) {
  return python::guard([&] { return stats(handler_of(self).counters()).release(); });
}

// --- for _asgi.py ---------------------------------------------------------------------------------------------------

PyObject* attach(PyObject* self, PyObject* loop) {
  return python::guard([&]() -> PyObject* {
    handler_of(self).attach(loop);
    return Py_NewRef(Py_None);
  });
}

PyObject* set_finished(PyObject* self, PyObject* finished) {
  return python::guard([&]() -> PyObject* {
    handler_of(self).set_finished(finished);
    return Py_NewRef(Py_None);
  });
}

PyObject* attach_guest(PyObject* self, PyObject* arguments) {
  return python::guard([&]() -> PyObject* {
    PyObject *loop = nullptr, *wake = nullptr, *finished = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOO:_attach_guest", &loop, &wake, &finished)) python::rethrow();
    handler_of(self).attach_as_guest(loop, wake);
    handler_of(self).set_finished(finished);
    return PyLong_FromLong(handler_of(self).server().loop().fd());
  });
}

PyObject* turn(PyObject* self, PyObject*) {
  return python::guard([&] {
    if (!handler_of(self).is_attached()) python::raise(PyExc_RuntimeError, "the server has ended");
    return PyFloat_FromDouble(handler_of(self).turn_as_guest());
  });
}

PyObject* open(PyObject* self, PyObject* arguments) {
  return python::guard([&]() -> PyObject* {
    PyObject *context = nullptr, *state = nullptr, *as_coroutine = nullptr, *log_error = nullptr;
    PyObject *log_timeout = nullptr, *log_blocked = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOOOOO:_open", &context, &state, &as_coroutine, &log_error, &log_timeout,
                          &log_blocked)) {
      python::rethrow();
    }
    Handler& handler = handler_of(self);
    handler.open(context, state, as_coroutine, log_error, log_timeout, log_blocked);
    if (auto done = handler.server().listen(server_of(self).sockets); !done) {
      python::raise(PyExc_OSError, done.error().describe());
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* detach(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    handler_of(self).detach();
    return Py_NewRef(Py_None);
  });
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef methods[] = {
    {"run", run, METH_O, nullptr},
    {"drain", as_method(drain), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"stop", stop, METH_NOARGS, nullptr},
    {"listen", listen, METH_O, nullptr},
    {"reopen_log", reopen_log, METH_O, nullptr},
    {"stats", get_stats, METH_NOARGS, nullptr},
    {"_attach", attach, METH_O, nullptr},
    {"_set_finished", set_finished, METH_O, nullptr},
    {"_attach_guest", attach_guest, METH_VARARGS, nullptr},
    {"_turn", turn, METH_NOARGS, nullptr},
    {"_open", open, METH_VARARGS, nullptr},
    {"_detach", detach, METH_NOARGS, nullptr},
    {},
};

PyMemberDef members[] = {
    {"_app", T_OBJECT, offsetof(AsgiServer, app), READONLY, nullptr},
    {"_lifespan", T_OBJECT, offsetof(AsgiServer, lifespan), READONLY, nullptr},
    {"_loop", T_OBJECT, offsetof(AsgiServer, loop), READONLY, nullptr},
    {"_version", T_INT, offsetof(AsgiServer, version), READONLY, nullptr},
    {"startup_error", T_OBJECT, offsetof(AsgiServer, startup_error), READONLY, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(new_server)},
    {Py_tp_init, reinterpret_cast<void*>(init_server)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_server)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_server)},
    {Py_tp_clear, reinterpret_cast<void*>(clear_server)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {},
};

PyType_Spec spec = {"serai._engine.AsgiServer", sizeof(AsgiServer), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

void add_server_type(PyObject* module) {
  python::Ref type = python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
  python::checked(PyModule_AddObjectRef(module, "AsgiServer", type.get()));
}

}  // namespace worker::asgi
