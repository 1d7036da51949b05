// worker::ObjectKeeper: keeps the bytes of a Python object.
#pragma once

#include "python/gil.h"
#include "worker/keeper.h"

namespace worker {

class ObjectKeeper final : public Keeper {
 public:
  // `object` owns the bytes, which never change, and lives until the call that the keeper is passed to returns.
  explicit ObjectKeeper(PyObject* object) : object_(object) {}

  // Takes the GIL, which this thread may hold already; so does letting go of it.
  std::shared_ptr<const void> keep() const override {
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
