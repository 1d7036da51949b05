// The Python type serai._engine.WsgiServer. Its `run` is python/serai/_wsgi.py, which makes the threads.
#pragma once

#include "worker/state.h"

namespace worker::wsgi {

// Throws python::Raised.
void add_server_type(PyObject* module);

}  // namespace worker::wsgi
