// worker::Counters: the server's numbers on a page that other processes may read while it runs (an mmap shared by
// master and worker), or on a private page when none was given. Layout: python/serai/_engine.pyi, PAGE_….
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "python/ref.h"

namespace worker {

enum class Counter : std::size_t {
  busy_since,
  requests,
  in_flight,
  connections,
  accepted,
  responses_5xx,
  bytes_in,
  bytes_out,
  threads_busy,
  limits_hit,
  timed_out,
  stuck,
  waiting,
  turned_away,
};

// Times in buckets, behind the counters: 16 cells each, which are one for each bound and one for what lies beyond, and
// then the sum in nanoseconds. Kept where Options::measure says so.
enum class Histogram : std::size_t { aborted, status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, waiting };
inline constexpr std::array<double, 14> histogram_bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                            0.1,    0.25,  0.5,    1,     2.5,  5,     10};
inline constexpr std::size_t histogram_cells = 16, first_histogram = 16, histogram_count = 7;
inline constexpr std::size_t page_bytes = (first_histogram + histogram_cells * histogram_count) * sizeof(std::uint64_t);

inline constexpr std::array<std::string_view, 14> counter_names = {
    "busy_since", "requests",     "in_flight",  "connections", "accepted", "responses_5xx", "bytes_in",
    "bytes_out",  "threads_busy", "limits_hit", "timed_out",   "stuck",    "waiting",       "turned_away"};

class Counters {
 public:
  // `page`: a writable buffer of at least page_bytes, or null. Throws python::Raised.
  explicit Counters(PyObject* page);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void add(Counter counter, std::uint64_t amount = 1) { cell(counter).fetch_add(amount, std::memory_order_relaxed); }
  void subtract(Counter counter) { cell(counter).fetch_sub(1, std::memory_order_relaxed); }
  void set(Counter counter, std::uint64_t value) { cell(counter).store(value, std::memory_order_relaxed); }
  // Leaves a zero alone.
  void replace_nonzero(Counter counter, std::uint64_t value) {
    std::uint64_t before = get(counter);
    while (before != 0 && !cell(counter).compare_exchange_weak(before, value, std::memory_order_relaxed)) {
    }
  }
  void observe(Histogram histogram, std::chrono::nanoseconds time);
  std::uint64_t get(Counter counter) const {
    return std::atomic_ref(cells_[static_cast<std::size_t>(counter)]).load(std::memory_order_relaxed);
  }

 private:
  std::atomic_ref<std::uint64_t> cell(Counter counter) {
    return std::atomic_ref(cells_[static_cast<std::size_t>(counter)]);
  }

  Py_buffer buffer_{};
  std::array<std::uint64_t, page_bytes / sizeof(std::uint64_t)> private_{};
  std::uint64_t* cells_ = private_.data();
};

}  // namespace worker
