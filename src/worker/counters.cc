#include "worker/counters.h"

#include "python/error.h"

namespace worker {

Counters::Counters(PyObject* page) {
  if (!page || page == Py_None) return;
  python::checked(PyObject_GetBuffer(page, &buffer_, PyBUF_WRITABLE));
  bool aligned = reinterpret_cast<std::uintptr_t>(buffer_.buf) % alignof(std::uint64_t) == 0;
  if (buffer_.len < static_cast<Py_ssize_t>(page_bytes) || !aligned) {
    PyBuffer_Release(&buffer_);
    python::raise(PyExc_ValueError, "option page must be a writable, 8-byte aligned buffer of 128 bytes");
  }
  cells_ = static_cast<std::uint64_t*>(buffer_.buf);
}

Counters::~Counters() {
  if (buffer_.obj) PyBuffer_Release(&buffer_);
}

}  // namespace worker
