// python::GilRelease, python::GilHold: the interpreter lock for a scope.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <mutex>

namespace python {

// Gives the GIL up for a scope, around waiting and socket work. Python objects may not be touched inside.
class GilRelease {
 public:
  GilRelease() : thread_(PyEval_SaveThread()) {}
  ~GilRelease() { PyEval_RestoreThread(thread_); }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* thread_;
};

// Takes the GIL inside a GilRelease scope of the same thread, or on a thread that Python does not know yet.
class GilHold {
 public:
  GilHold() : state_(PyGILState_Ensure()) {}
  ~GilHold() { PyGILState_Release(state_); }
  GilHold(const GilHold&) = delete;
  GilHold& operator=(const GilHold&) = delete;

 private:
  PyGILState_STATE state_;
};

// With the GIL: locks what somebody else may hold who waits for the GIL.
inline std::unique_lock<std::mutex> lock_with_gil(std::mutex& mutex) {
  std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock) {
    GilRelease released;
    lock.lock();
  }
  return lock;
}

}  // namespace python
