// The Python type serai._engine.LoopBase: asyncio::Loop with the methods of asyncio.BaseEventLoop that it replaces. It
// is to be derived from, beside asyncio.SelectorEventLoop: serai._loop.EventLoop.
#pragma once

#include "worker/asyncio/loop.h"

namespace worker::asyncio {

// Makes the type and puts it into the state; does not import asyncio yet. Throws python::Raised.
void add_loop_type(PyObject* module, State& state);

// Of a LoopBase.
Loop& loop_in(PyObject* object);

}  // namespace worker::asyncio
