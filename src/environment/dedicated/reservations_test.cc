// What is reserved on a host with cgroup v2, which here is a folder that looks like one; dedicated_test.cc tries the
// real thing where it is.
#include "environment/dedicated/reservations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ReservationsTest : public testing::Test {
 protected:
  ReservationsTest() {
    std::string pattern = testing::TempDir() + "serai-reserve-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    layout_.root = root_ / "root";
    write("v2/cgroup.controllers", "cpuset cpu io memory pids\n");
    write("v2/cgroup.subtree_control", "");
    write("v2/cpuset.cpus.effective", "0-7\n");
    write("mountinfo", "30 24 0:26 / " + (root_ / "v2").string() + " rw shared:4 - cgroup2 cgroup2 rw\n");
    write("own", "0::/\n");
  }
  ~ReservationsTest() override { fs::remove_all(root_); }

  void write(const fs::path& file, std::string_view text) {
    fs::create_directories((root_ / file).parent_path());
    ASSERT_TRUE(base::write_file_atomically(root_ / file, text));
  }
  std::string read(const std::string& file) { return base::read_file(root_ / "v2/serai-1" / file).value_or("(none)"); }

  Reservations new_daemon() {
    return {layout_, allocation::Hierarchy::detect(root_ / "mountinfo", root_ / "own").value(), "serai-1"};
  }
  base::Result<Record> make(Reservations& reservations, Kind kind, const std::string& app, const std::string& id,
                            allocation::Limits limits = {}) {
    fs::create_directories(layout_.instance(id));
    Record record{.app = app, .id = id, .kind = kind, .user = {}, .code = {}};
    record.limits = limits;
    auto made = reservations.make_group(record);
    if (!made) return std::unexpected(made.error());
    return record;
  }

  fs::path root_;
  Layout layout_;
};

TEST_F(ReservationsTest, GivesWholeCpusWithoutAQuotaAndMemoryThatTheKernelKeeps) {
  auto reservations = new_daemon();
  ASSERT_TRUE(make(reservations, Kind::shared, "blog", "blog-1"));
  auto shop = make(reservations, Kind::dedicated, "shop", "shop-1", {.cpu = 2, .memory = 64 << 20});
  ASSERT_TRUE(shop) << shop.error().describe();
  EXPECT_EQ(shop->limits.cpu, 2);
  EXPECT_EQ(read("shop-1/cpuset.cpus"), shop->limits.cpus);
  EXPECT_EQ(read("shop-1/cpu.max"), "max 100000");
  EXPECT_EQ(read("shop-1/memory.min"), "67108864");
  EXPECT_EQ(read("memory.min"), "67108864") << "what is above it bounds it";
  EXPECT_EQ(read("blog-1/memory.min"), "(none)");
  EXPECT_TRUE(reservations.summary().memory_is_protected);
}

TEST_F(ReservationsTest, KeepsEverybodyElseToTheOtherCpus) {
  auto reservations = new_daemon();
  ASSERT_TRUE(make(reservations, Kind::shared, "blog", "blog-1"));
  EXPECT_EQ(read("blog-1/cpuset.cpus"), "(none)") << "all of them, as the group above";
  auto shop = make(reservations, Kind::dedicated, "shop", "shop-1").value();
  auto wiki = make(reservations, Kind::dedicated, "wiki", "wiki-1").value();
  ASSERT_TRUE(make(reservations, Kind::container, "news", "news-1"));
  auto rest = allocation::parse_cpus("0-7").value();
  for (const auto* record : {&shop, &wiki}) {
    const auto own = allocation::parse_cpus(record->limits.cpus).value();
    for (int cpu : own) EXPECT_EQ(rest.erase(cpu), 1u) << "given twice";
  }
  EXPECT_EQ(read("blog-1/cpuset.cpus"), allocation::format_cpus(rest));
  EXPECT_EQ(read("news-1/cpuset.cpus"), allocation::format_cpus(rest));
  EXPECT_EQ(read("shop-1/cpuset.cpus"), shop.limits.cpus) << "another's coming does not move it";
}

TEST_F(ReservationsTest, AreEverybodysWhileTheirInstanceStandsStill) {
  auto reservations = new_daemon();
  ASSERT_TRUE(make(reservations, Kind::shared, "blog", "blog-1"));
  ASSERT_TRUE(make(reservations, Kind::dedicated, "shop", "shop-1", {.cpu = 2}));
  auto without = read("blog-1/cpuset.cpus");
  reservations.lend("shop-1");
  EXPECT_EQ(read("blog-1/cpuset.cpus"), "0-7");
  ASSERT_TRUE(reservations.take_back("shop-1"));
  EXPECT_EQ(read("blog-1/cpuset.cpus"), without);
  reservations.lend("shop-1");
  ASSERT_TRUE(make(reservations, Kind::dedicated, "wiki", "wiki-1", {.cpu = 7}));
  auto refused = reservations.take_back("shop-1");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("wiki has"));
}

TEST_F(ReservationsTest, AreFoundAgainInTheRecordsByTheNextDaemon) {
  auto first = new_daemon();
  auto shop = make(first, Kind::dedicated, "shop", "shop-1", {.memory = 64 << 20}).value();
  ASSERT_TRUE(make(first, Kind::shared, "blog", "blog-1"));
  auto blogs = read("blog-1/cpuset.cpus");
  auto second = new_daemon();
  second.restore();
  EXPECT_EQ(second.summary().owners.at("shop"), allocation::parse_cpus(shop.limits.cpus).value());
  EXPECT_EQ(second.summary().memory_taken, 64u << 20);
  EXPECT_EQ(read("blog-1/cpuset.cpus"), blogs);
  auto plan = second.plan({.app = "shop", .kind = Kind::dedicated, .limits = {}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->cpus, shop.limits.cpus);
}

TEST_F(ReservationsTest, OfAHostThatWasStartedAnewAreNone) {
  auto first = new_daemon();
  ASSERT_TRUE(make(first, Kind::dedicated, "shop", "shop-1"));
  fs::remove_all(root_ / "v2/serai-1");
  auto second = new_daemon();
  second.restore();
  EXPECT_TRUE(second.summary().owners.empty());
}

TEST_F(ReservationsTest, AreRefusedWhereGroupsHaveNoCpusets) {
  write("v2/cgroup.controllers", "cpu memory pids\n");
  auto reservations = new_daemon();
  auto refused = make(reservations, Kind::dedicated, "shop", "shop-1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::unsupported);
  EXPECT_THAT(refused.error().advice(), HasSubstr("Delegate=yes"));
  EXPECT_TRUE(make(reservations, Kind::shared, "blog", "blog-1"));
  auto weight = new_daemon().plan({.app = "shop", .kind = Kind::dedicated, .limits = {.io_weight = 500}});
  EXPECT_FALSE(weight);
}

}  // namespace
}  // namespace environment
