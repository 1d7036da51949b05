// worker::State: what the extension module owns, one per interpreter: interned names, types and exceptions.
#pragma once

#include <memory>

#include "worker/names.h"

namespace worker {
namespace asyncio {
struct Support;
}

struct State {
  Names names;
  // asgi
  python::Ref receive_type, send_type, done_type, operation_type, waiter_type;
  python::Ref client_disconnected;  // the OSError that `send` raises once the client is gone
  // asyncio
  python::Ref loop_type;
  std::shared_ptr<asyncio::Support> asyncio_support;  // made with the first event loop
  // wsgi
  python::Ref start_response_type, write_type;
  python::Ref request_timed_out;  // the BaseException that interrupts a thread whose request is over

  // The state of the module that defined `type`.
  static State& of_type(PyTypeObject* type);
  static State& of_module(PyObject* module);
};

}  // namespace worker
