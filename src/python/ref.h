// python::Ref: owns one reference to a Python object. Move-only, empty by default.
//
// Made by `steal` (the caller had a new reference) or `borrow` (somebody else owns it, count one more). Counting
// happens under the GIL only, which debug builds assert. A function that takes `PyObject*` borrows for the call.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cassert>
#include <utility>

namespace python {

class Ref {
 public:
  Ref() = default;
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    if (this != &other) {
      PyObject* old = std::exchange(object_, std::exchange(other.object_, nullptr));
      if (old) drop(old);  // after the exchange: dropping may run Python code that looks at us
    }
    return *this;
  }
  ~Ref() {
    if (object_) drop(object_);
  }

  static Ref steal(PyObject* object) { return Ref(object); }
  static Ref borrow(PyObject* object) {
    assert(PyGILState_Check());
    Py_XINCREF(object);
    return Ref(object);
  }

  PyObject* get() const { return object_; }
  bool is_set() const { return object_ != nullptr; }
  // Hands the reference to the caller.
  PyObject* release() { return std::exchange(object_, nullptr); }
  // One more reference to the same object.
  Ref share() const { return borrow(object_); }
  // For the visit and clear functions of a type that holds a Ref.
  int visit(visitproc visitor, void* argument) const { return object_ ? visitor(object_, argument) : 0; }
  void clear() { *this = Ref(); }

 private:
  explicit Ref(PyObject* object) : object_(object) {}
  static void drop(PyObject* object) {
    assert(PyGILState_Check());
    Py_DECREF(object);
  }

  PyObject* object_ = nullptr;
};

}  // namespace python
