#include "worker/counters.h"

#include <algorithm>

#include "python/error.h"

namespace worker {

Counters::Counters(PyObject* page) {
  if (!page || page == Py_None) return;
  python::checked(PyObject_GetBuffer(page, &buffer_, PyBUF_WRITABLE));
  bool aligned = reinterpret_cast<std::uintptr_t>(buffer_.buf) % alignof(std::uint64_t) == 0;
  if (buffer_.len < static_cast<Py_ssize_t>(page_bytes) || !aligned) {
    PyBuffer_Release(&buffer_);
    python::raise(PyExc_ValueError, "option page must be a writable, 8-byte aligned buffer of PAGE_SIZE bytes");
  }
  cells_ = static_cast<std::uint64_t*>(buffer_.buf);
}

Counters::~Counters() {
  if (buffer_.obj) PyBuffer_Release(&buffer_);
}

void Counters::observe(Histogram histogram, std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(histogram_bounds, seconds) - histogram_bounds.begin());
  std::uint64_t* cells = cells_ + first_histogram + static_cast<std::size_t>(histogram) * histogram_cells;
  std::atomic_ref(cells[bucket]).fetch_add(1, std::memory_order_relaxed);
  std::atomic_ref(cells[histogram_cells - 1])
      .fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count())), std::memory_order_relaxed);
}

}  // namespace worker
