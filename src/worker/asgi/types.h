// The Python objects of an ASGI request: `receive` and `send`, which the application calls, and Operation, what they
// return: an awaitable that completes without a Future when it can.
//
// An Operation does its work when it is first awaited, as a coroutine would, and may be awaited again (it gives the
// same result), stored, wrapped in wait_for, gather or shield, or given to create_task (it has send, throw and close).
#pragma once

#include <memory>

#include "worker/asgi/exchange.h"
#include "worker/state.h"

namespace worker::asgi {

// Makes the types of this folder and puts them into the state. Throws python::Raised.
void make_types(PyObject* module, State& state);

python::Ref make_receive(State& state, std::shared_ptr<Exchange> exchange);
python::Ref make_send(State& state, std::shared_ptr<Exchange> exchange);
// A callable (task) for Task.add_done_callback.
python::Ref make_done_callback(State& state, std::shared_ptr<Exchange> exchange);

}  // namespace worker::asgi
