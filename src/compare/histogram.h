// compare::Histogram: how often a duration was how long, to better than 1 %, in constant memory.
//
// Buckets as in HdrHistogram (https://hdrhistogram.org): below 256 ns one per nanosecond, above that 128 for each power
// of two, up to some 4.8 hours; what is longer counts as that. A quantile is the upper end of its bucket, so never told
// better than it was. Value type; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace compare {

class Histogram {
 public:
  using Duration = std::chrono::nanoseconds;

  Histogram() : buckets_(kBuckets) {}
  // Negative durations count as none.
  void add(Duration duration);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  // The shortest duration that at least this share of all did not exceed; zero when there are none. 0 < share <= 1.
  Duration quantile(double share) const;
  Duration longest() const { return longest_; }
  Duration mean() const;

 private:
  static constexpr unsigned kPrecisionBits = 7;  // buckets for each power of two, as a power of two
  static constexpr unsigned kLargestBits = 44;
  static constexpr std::size_t kBuckets = (kLargestBits - kPrecisionBits + 1) << kPrecisionBits;
  static std::size_t bucket_of(std::uint64_t nanoseconds);
  static std::uint64_t upper_end(std::size_t bucket);

  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  Duration sum_{0}, longest_{0};
};

}  // namespace compare
