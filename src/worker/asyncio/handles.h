// asyncio::Handles: makes and reads asyncio.Handle and asyncio.TimerHandle without running Python.
//
// What `call_soon` and `call_later` give are objects of two types of ours that derive from asyncio's, so that they are
// instances of asyncio's classes, print like them and can be handed to code that expects them. Their fields are the
// slots of the base classes, filled directly; `cancel` and comparisons are C++.
// With the GIL.
#pragma once

#include <string_view>
#include <vector>

#include "python/ref.h"

namespace worker {
struct State;
}

namespace worker::asyncio {

class Handles {
 public:
  // Imports asyncio and makes the two types in `module`. Throws python::Raised, also where asyncio's classes are not
  // as they have been since CPython 3.7.
  Handles(State& state, PyObject* module);
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles();

  // `loop` is a LoopBase, `arguments` a tuple. Throws python::Raised.
  python::Ref make(PyObject* loop, PyObject* callback, python::Ref arguments, python::Ref context);
  // `when` in seconds of `loop.time()`, as the number that the caller gave and as a double.
  python::Ref make_timer(PyObject* loop, PyObject* when, double seconds, PyObject* callback, python::Ref arguments,
                         python::Ref context);

  // One of asyncio's own classes or of ours. Others, from whoever derives from them, have to be asked in Python.
  bool is_plain(PyObject* handle) const;
  // The fields of a plain handle, borrowed.
  PyObject* callback(PyObject* handle) const { return slot(handle, at_.callback); }
  PyObject* arguments(PyObject* handle) const { return slot(handle, at_.arguments); }
  PyObject* context(PyObject* handle) const { return slot(handle, at_.context); }
  // Of any handle; the rest throws python::Raised.
  bool is_cancelled(PyObject* handle) const;
  // When a TimerHandle is due.
  double when(PyObject* handle) const;
  // A TimerHandle has come into the heap of its loop, or has left it.
  void set_scheduled(PyObject* handle, bool scheduled) const;
  // As `handle.cancel()`.
  void cancel(PyObject* handle) const;

  // --- for the two types
  PyObject* cancel_ours(PyObject* handle) const;
  PyObject* compare(PyObject* timer, PyObject* other, int operation) const;
  void dealloc(PyObject* handle);

 private:
  // Where the fields are, in bytes from the object's begin.
  struct Offsets {
    Py_ssize_t callback, arguments, cancelled, loop, source_traceback, repr, context, scheduled, when;
  };
  static constexpr std::size_t most_spare = 256;

  static PyObject*& slot(PyObject* handle, Py_ssize_t offset) {
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(handle) + offset);
  }
  double& seconds(PyObject* timer) const {
    return *reinterpret_cast<double*>(reinterpret_cast<char*>(timer) + seconds_offset_);
  }
  PyObject* allocate(const python::Ref& type, std::vector<PyObject*>& spare);
  void fill(PyObject* handle, PyObject* loop, PyObject* callback, python::Ref arguments, python::Ref context);
  bool is_ours(PyObject* handle) const;
  bool is_our_timer(PyObject* handle) const { return Py_TYPE(handle) == timer_.as_type(); }

  // A type, to be compared quickly.
  struct Type : python::Ref {
    Type() = default;
    explicit Type(python::Ref ref) : python::Ref(std::move(ref)) {}
    PyTypeObject* as_type() const { return reinterpret_cast<PyTypeObject*>(get()); }
  };
  State& state_;
  Type base_handle_, base_timer_, handle_, timer_;
  Offsets at_{};
  Py_ssize_t seconds_offset_ = 0;
  python::Ref cancelled_name_, when_name_, scheduled_name_, cancel_name_;
  std::vector<PyObject*> spare_handles_, spare_timers_;  // memory of handles that are gone, for the next ones
};

}  // namespace worker::asyncio
