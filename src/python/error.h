// python::Raised: a pending Python exception as a C++ exception, so that a chain of calls can be left in one go.
//
// Thrown with the exception still pending in the interpreter (as after a failed C-API call). Each function that CPython
// calls is wrapped in `guard`, which turns it back into the NULL or -1 that CPython expects. It never crosses the event
// loop: `guard` or a catch block stands at every entry.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <new>
#include <string>

#include "python/ref.h"

namespace python {

struct Raised {};

// Sets a Python exception and throws.
[[noreturn]] void raise(PyObject* type, const std::string& message);
// Throws for the exception that a C-API call has just set.
[[noreturn]] inline void rethrow() {
  assert(PyErr_Occurred());
  throw Raised();
}

// New reference or pending exception.
inline Ref checked(PyObject* new_reference) {
  if (!new_reference) rethrow();
  return Ref::steal(new_reference);
}
inline void checked(int result) {
  if (result < 0) rethrow();
}

// Whether the pending exception ends the program (KeyboardInterrupt, SystemExit) and not only the request around which
// it was raised. Others may derive from BaseException alone too: asyncio.CancelledError, time-outs of gevent.
bool ends_program();
// Takes the pending exception out of the interpreter, normalised and with its traceback attached.
Ref take_exception();
// Makes it pending again.
void restore_exception(Ref exception);
// Prints the pending exception as "unraisable" in `where`; used where nobody can receive it.
void report_unraisable(const char* where);
// The C++ exception in flight as a pending Python exception; for catch blocks.
void translate_current_exception();

// Runs `body` and gives `failure` to CPython if a Python or C++ exception leaves it.
template <typename Result, typename Body>
Result guard(Result failure, Body&& body) noexcept {
  try {
    return body();
  } catch (const Raised&) {
  } catch (...) {
    translate_current_exception();
  }
  return failure;
}
template <typename Body>
PyObject* guard(Body&& body) noexcept {
  return guard(static_cast<PyObject*>(nullptr), std::forward<Body>(body));
}

}  // namespace python
