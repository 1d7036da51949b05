// The Python type serai._engine.SocketTransport: asyncio's transport of TCP and Unix sockets, sending and receiving in
// C++.
//
// It derives from asyncio's own class, whose methods do the rest: what could not be sent at once, the end of the
// stream, errors, flow control, TLS and sendfile. Both share the fields that tell the transport's state.
#pragma once

#include "python/ref.h"

namespace worker::asyncio {

// `base` is asyncio.selector_events._SelectorSocketTransport. Throws python::Raised.
python::Ref make_transport_type(PyObject* module, PyObject* base);

}  // namespace worker::asyncio
