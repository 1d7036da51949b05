// allocation::Limits: how much CPU, memory and how many processes one instance may use; what it used; which limit bit.
// On by default. `allocation::Group` (group.h) enforces them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace allocation {

struct Limits {
  double cpu = 1.0;                     // in CPUs: 0.5 is half of one
  std::uint64_t memory = 512ULL << 20;  // bytes, /dev/shm included
  std::uint32_t processes = 256;        // processes and threads
  // The CPUs that are its own, as the kernel lists them ("2-3"): then `cpu` is their number and no quota is set.
  std::string cpus;                   // empty: those that are nobody's
  std::uint64_t memory_reserved = 0;  // bytes that nobody else gets
  int nice = 0;                       // nice(2), of all its processes; below 0 only for who has CPUs of its own
  std::uint32_t io_weight = 0;        // 1 to 10000, cgroup-v2.rst "io.weight"; 0: the kernel's own, 100

  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Usage {
  std::chrono::nanoseconds cpu{0};
  std::uint64_t memory = 0, memory_peak = 0;  // bytes
  std::uint32_t processes = 0;
};

// How often each limit bit since the group was made.
struct LimitHits {
  std::uint64_t cpu_throttled = 0;         // periods of 100 ms in which the CPU ran out
  std::chrono::nanoseconds cpu_waited{0};  // time spent waiting for the next period
  std::uint64_t memory_reached = 0;        // times memory was at the limit and had to be reclaimed
  std::uint64_t out_of_memory_kills = 0;   // processes the kernel killed for it
  std::uint64_t processes_refused = 0;     // forks refused

  friend bool operator==(const LimitHits&, const LimitHits&) = default;
};

}  // namespace allocation
