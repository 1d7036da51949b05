#include "compare/arrivals.h"

#include <cmath>

namespace compare {

// The exponential distribution is computed here because the standard library's differs between implementations.
Arrivals::Duration Arrivals::next() {
  constexpr double kRange = 0x1p-53;
  const double uniform = (static_cast<double>(random_() >> 11) + 0.5) * kRange;  // in (0, 1)
  due_ += kind_ == Kind::constant ? interval_ : -std::log(uniform) * interval_;
  return Duration(std::llround(due_));
}

}  // namespace compare
