// worker::Keeper: keeps bytes of the application's that a client does not take at once, so that they need not be
// copied.
#pragma once

#include <memory>

#include "python/gil.h"

namespace worker {

class Keeper {
 public:
  // `object` owns the bytes, which never change, and lives until the call that the keeper is passed to returns.
  explicit Keeper(PyObject* object) : object_(object) {}

  // Takes the GIL, which this thread may hold already; so does letting go of it. Only worth it for many bytes.
  std::shared_ptr<const void> keep() const {
    python::GilHold held;
    return {Py_NewRef(object_), [](PyObject* object) {
              python::GilHold at_the_end;
              Py_DECREF(object);
            }};
  }

 private:
  PyObject* object_;
};

}  // namespace worker
