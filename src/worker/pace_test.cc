#include "worker/pace.h"

#include <gtest/gtest.h>

namespace worker {
namespace {

using namespace std::chrono_literals;
constexpr net::nanoseconds pause = 30s;
const net::Clock::time_point start{1000h};

TEST(Pace, AllowsOnePauseAtATimeToAFastClient) {
  Pace pace;
  pace.begin(start);
  EXPECT_EQ(pace.deadline(start, pause), start + 30s);
  pace.add(1 << 20);
  EXPECT_EQ(pace.deadline(start + 20s, pause), start + 50s);
  pace.add(1 << 20);
  EXPECT_EQ(pace.deadline(start + 45s, pause), start + 75s);
}

TEST(Pace, GivesAClientThatTricklesNoMoreThanItsBytesEarn) {
  Pace pace;
  pace.begin(start);
  pace.add(1);
  EXPECT_EQ(pace.deadline(start + 29s, pause), start + 30s + 2ms);
  pace.add(999);
  EXPECT_EQ(pace.deadline(start + 31s, pause), start + 32s);
  pace.begin(start + 40s);
  EXPECT_EQ(pace.deadline(start + 40s, pause), start + 70s) << "it begins anew when we did not take anything";
}

TEST(Pace, CountsBodiesOfAnySize) {
  Pace pace;
  pace.begin(start);
  for (int i = 0; i < 100; i++) pace.add(UINT64_MAX / 2);
  EXPECT_EQ(pace.deadline(start + 10s, pause), start + 40s);
}

}  // namespace
}  // namespace worker
