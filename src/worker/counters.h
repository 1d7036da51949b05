// worker::Counters: the server's numbers on a page that other processes may read while it runs (an mmap shared by
// master and worker), or on a private page when none was given. Layout: python/serai/_engine.pyi, PAGE_….
#pragma once

#include <array>
#include <atomic>
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
inline constexpr std::size_t page_bytes = 128;
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
