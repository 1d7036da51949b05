// asyncio::Support: what our event loops use of the standard library, looked up once per interpreter.
#pragma once

#include <vector>

#include "worker/asyncio/handles.h"

namespace worker::asyncio {

struct Support {
  // Imports asyncio. Throws python::Raised.
  Support(State& state, PyObject* module);

  Handles handles;
  python::Ref base_loop;    // asyncio.BaseEventLoop
  python::Ref future_type;  // asyncio.Future
  python::Ref loop_keyword;
  python::Ref deque_type;                  // collections.deque
  python::Ref append, popleft;             // its methods
  python::Ref heappush, heappop, heapify;  // of heapq
  python::Ref base_transport;              // asyncio.selector_events._SelectorSocketTransport
  Py_ssize_t transport_offset;             // of what ours has more
  python::Ref socket_transport;            // ours
  python::Ref buffered_protocol;           // asyncio.BufferedProtocol
  python::Ref run_name, callback_raised, data_received, read_ready_on_eof, fatal_error, protocol, buffer, empty_waiter;
  std::vector<char> scratch;  // what is received, until it is a bytes object
  double clock_resolution;    // of time.monotonic, in seconds
};

// The support of the interpreter of `state`, whose module is `module`; made at the first call. Throws python::Raised.
Support& support_of(State& state, PyObject* module);

}  // namespace worker::asyncio
