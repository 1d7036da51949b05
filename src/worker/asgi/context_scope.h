// asgi::ContextScope: enters a contextvars.Context for a scope.
#pragma once

#include "python/error.h"

namespace worker::asgi {

class ContextScope {
 public:
  explicit ContextScope(PyObject* context) : context_(context) { python::checked(PyContext_Enter(context)); }
  ~ContextScope() {
    python::Ref pending = python::take_exception();
    if (PyContext_Exit(context_) < 0) python::report_unraisable("serai: leaving a request's context");
    if (pending.is_set()) python::restore_exception(std::move(pending));
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  PyObject* context_;
};

}  // namespace worker::asgi
