#include "worker/asyncio/support.h"

#include "python/convert.h"
#include "worker/asyncio/transport_type.h"
#include "worker/state.h"

namespace worker::asyncio {
namespace {

python::Ref from(const char* module, const char* name) { return python::attribute(python::import(module).get(), name); }

double monotonic_resolution() {
  python::Ref info = python::call(from("time", "get_clock_info").get(), python::text("monotonic").get());
  double resolution = PyFloat_AsDouble(python::attribute(info.get(), "resolution").get());
  if (resolution == -1 && PyErr_Occurred()) python::rethrow();
  return resolution;
}

}  // namespace

Support::Support(State& state, PyObject* module)
    : handles(state, module),
      base_loop(from("asyncio", "BaseEventLoop")),
      future_type(from("asyncio", "Future")),
      loop_keyword(python::checked(PyTuple_Pack(1, state.names.loop.get()))),
      deque_type(from("collections", "deque")),
      append(python::attribute(deque_type.get(), "append")),
      popleft(python::attribute(deque_type.get(), "popleft")),
      heappush(from("heapq", "heappush")),
      heappop(from("heapq", "heappop")),
      heapify(from("heapq", "heapify")),
      base_transport(from("asyncio.selector_events", "_SelectorSocketTransport")),
      transport_offset(reinterpret_cast<PyTypeObject*>(base_transport.get())->tp_basicsize),
      socket_transport(make_transport_type(module, base_transport.get())),
      buffered_protocol(from("asyncio", "BufferedProtocol")),
      run_name(python::interned("_run")),
      callback_raised(python::interned("_callback_raised")),
      data_received(python::interned("data_received")),
      read_ready_on_eof(python::interned("_read_ready__on_eof")),
      fatal_error(python::interned("_fatal_error")),
      protocol(python::interned("_protocol")),
      buffer(python::interned("_buffer")),
      empty_waiter(python::interned("_empty_waiter")),
      clock_resolution(monotonic_resolution()) {}

Support& support_of(State& state, PyObject* module) {
  if (!state.asyncio_support) state.asyncio_support = std::make_shared<Support>(state, module);
  return *state.asyncio_support;
}

}  // namespace worker::asyncio
