#include "allocation/cpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace allocation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Cpus, AreReadAndWrittenAsTheKernelListsThem) {
  EXPECT_EQ(parse_cpus("0-2,5,8-9\n").value(), (CpuSet{0, 1, 2, 5, 8, 9}));
  EXPECT_EQ(parse_cpus("\n").value(), CpuSet{});
  EXPECT_EQ(format_cpus({0, 1, 2, 5, 8, 9}), "0-2,5,8-9");
  EXPECT_EQ(format_cpus({}), "");
  for (auto text : {"x", "1-", "-1", "2-1", "1,,2", "99999999999", "1-9999999"}) EXPECT_FALSE(parse_cpus(text)) << text;
}

TEST(Cpus, ThatShareACoreStayTogether) {
  std::string pattern = testing::TempDir() + "serai-cpus-XXXXXX";
  std::filesystem::path sysfs = ::mkdtemp(pattern.data());
  for (int cpu = 0; cpu < 4; cpu++) {
    auto folder = sysfs / fmt::format("cpu{}/topology", cpu);
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(base::write_file_atomically(folder / "thread_siblings_list", cpu % 2 == 0 ? "0,2\n" : "1,3\n"));
  }
  EXPECT_THAT(cores_of({0, 1, 2, 3}, sysfs), ElementsAre(CpuSet{0, 2}, CpuSet{1, 3}));
  EXPECT_THAT(cores_of({0, 1, 3}, sysfs), ElementsAre(CpuSet{0}, CpuSet{1, 3})) << "only what may be used";
  EXPECT_THAT(cores_of({0, 1}, sysfs / "missing"), ElementsAre(CpuSet{0}, CpuSet{1}));
  std::filesystem::remove_all(sysfs);
}

const std::vector<CpuSet> kTwoCores = {{0}, {1}};
const std::vector<CpuSet> kFourCores = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};  // with SMT

TEST(ExclusiveCpus, AreTakenFromTheEndAndInWholeCores) {
  EXPECT_EQ(choose_exclusive(kTwoCores, {}, "shop", 1).value(), CpuSet{1});
  EXPECT_EQ(choose_exclusive(kFourCores, {}, "shop", 1).value(), (CpuSet{3, 7}));
  EXPECT_EQ(choose_exclusive(kFourCores, {{"blog", {3, 7}}}, "shop", 3).value(), (CpuSet{1, 2, 5, 6}));
}

TEST(ExclusiveCpus, NeverIncludeTheLastFreeCore) {
  EXPECT_TRUE(choose_exclusive(kFourCores, {}, "shop", 6));
  EXPECT_FALSE(choose_exclusive(kFourCores, {}, "shop", 7));
  EXPECT_FALSE(choose_exclusive({{0}}, {}, "shop", 1));
}

TEST(ExclusiveCpus, ThatCannotBeGivenAreRefusedWithTheArithmetic) {
  auto refused = choose_exclusive(kTwoCores, {{"blog", {1}}}, "shop", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::overloaded);
  EXPECT_EQ(
      refused.error().message(),
      "give shop 1 CPU of its own: this host has 2 CPUs in 2 cores, blog has 1 CPU (1), and one core stays for the "
      "other instances");
  EXPECT_THAT(refused.error().advice(), HasSubstr("serai move APP --to shared"));
}

TEST(ExclusiveCpus, OfAnAppAreUsedAgainByItsNextInstance) {
  EXPECT_EQ(choose_exclusive(kTwoCores, {{"shop", {1}}}, "shop", 1).value(), CpuSet{1});
  EXPECT_EQ(choose_exclusive(kFourCores, {{"shop", {1, 5}}}, "shop", 4).value(), (CpuSet{1, 3, 5, 7}));
  // A smaller instance that replaces a larger one.
  EXPECT_EQ(choose_exclusive(kFourCores, {{"shop", {1, 2, 3, 5, 6, 7}}}, "shop", 2).value(), (CpuSet{1, 5}));
}

}  // namespace
}  // namespace allocation
