#include "worker/fork_guard.h"

#include <pthread.h>
#include <unistd.h>

#include "python/convert.h"
#include "python/error.h"

namespace worker {

std::atomic<unsigned> ForkGuard::forks_ = 0;

ForkGuard::ForkGuard() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { forks_++; });
  (void)registered;  // it fails only where there is no memory; a child then is what it would be without this
  at_begin_ = forks_;
}

void ForkGuard::leave() {
  try {
    python::Ref reason = PyErr_Occurred() ? python::take_exception() : python::Ref::borrow(Py_None);
    python::Ref module = python::import("serai.processes");
    python::call(python::attribute(module.get(), "leave_forked").get(), reason.get());
  } catch (const python::Raised&) {
    PyErr_Print();
  }
  ::_exit(1);
}

}  // namespace worker
