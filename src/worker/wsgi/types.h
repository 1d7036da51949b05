// The Python objects of a WSGI request: start_response, and the `write` that it returns.
#pragma once

#include "worker/state.h"

namespace worker::wsgi {

class Exchange;

// Makes the types of this folder and puts them into the state. Throws python::Raised.
void make_types(PyObject* module, State& state);

// A callable (status, headers, exc_info=None) for this exchange.
python::Ref make_start_response(State& state, Exchange& exchange);
// wsgi.early_hints: one callable (headers) for all requests; it finds the one that its thread runs.
python::Ref make_early_hints();
// The exchange is over: from now on the object, and the `write` it gave, raise RuntimeError.
void forget_exchange(PyObject* start_response);

}  // namespace worker::wsgi
