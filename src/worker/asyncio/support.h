// asyncio::Support: what our event loops use of the standard library, looked up once per interpreter.
#pragma once

#include "worker/asyncio/handles.h"

namespace worker::asyncio {

struct Support {
  // Imports asyncio. Throws python::Raised.
  Support(State& state, PyObject* module);

  Handles handles;
  python::Ref base_loop;    // asyncio.BaseEventLoop
  python::Ref future_type;  // asyncio.Future
  python::Ref loop_keyword;
  python::Ref append, popleft;             // of collections.deque
  python::Ref heappush, heappop, heapify;  // of heapq
  python::Ref run_name, callback_raised;
  double clock_resolution;  // of time.monotonic, in seconds
};

// The support of the interpreter of `state`, whose module is `module`; made at the first call. Throws python::Raised.
Support& support_of(State& state, PyObject* module);

}  // namespace worker::asyncio
