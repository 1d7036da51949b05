// The Python type serai._engine.AsgiServer. Its `run` is python/serai/_asgi.py, which drives asyncio and lifespan.
#pragma once

#include "worker/state.h"

namespace worker::asgi {

// Throws python::Raised.
void add_server_type(PyObject* module);

}  // namespace worker::asgi
