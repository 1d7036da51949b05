#include "compare/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace compare {

// Values of up to kPrecisionBits + 1 bits are their own bucket; longer ones lose bits at their end until they are of
// that width, and the number of lost bits selects the row.
std::size_t Histogram::bucket_of(std::uint64_t nanoseconds) {
  const auto width = static_cast<unsigned>(std::bit_width(nanoseconds));
  const unsigned lost = width > kPrecisionBits + 1 ? width - kPrecisionBits - 1 : 0;
  return std::min((std::size_t{lost} << kPrecisionBits) + (nanoseconds >> lost), kBuckets - 1);
}

std::uint64_t Histogram::upper_end(std::size_t bucket) {
  const std::size_t row = bucket >> kPrecisionBits;
  const std::size_t lost = row > 1 ? row - 1 : 0;
  return ((std::uint64_t{bucket} - (lost << kPrecisionBits) + 1) << lost) - 1;
}

void Histogram::add(Duration duration) {
  duration = std::max(duration, Duration::zero());
  buckets_[bucket_of(static_cast<std::uint64_t>(duration.count()))]++;
  count_++;
  sum_ += duration;
  longest_ = std::max(longest_, duration);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; i++) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  longest_ = std::max(longest_, other.longest_);
}

Histogram::Duration Histogram::quantile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; i++) {
    seen += buckets_[i];
    if (seen >= wanted && seen > 0) return std::min(Duration(upper_end(i)), longest_);
  }
  return longest_;
}

Histogram::Duration Histogram::mean() const { return count_ ? sum_ / static_cast<std::int64_t>(count_) : Duration{0}; }

}  // namespace compare
