#include "allocation/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"

namespace allocation {
namespace {
namespace fs = std::filesystem;

// A folder that looks like /sys/fs/cgroup. Files of a group appear when they are written.
class FakeHost : public testing::Test {
 protected:
  FakeHost() {
    std::string pattern = (fs::temp_directory_path() / "serai-cgroup-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~FakeHost() override { fs::remove_all(root_); }

  void write(const fs::path& file, std::string_view text) {
    fs::create_directories((root_ / file).parent_path());
    ASSERT_TRUE(base::write_file_atomically(root_ / file, text));
  }
  std::string read(const fs::path& file) { return base::read_file(root_ / file).value_or("(missing)"); }
  void be_v2() {
    write("v2/cgroup.controllers", "cpuset cpu io memory pids\n");
    write("v2/cgroup.subtree_control", "");
    write("mountinfo", "30 24 0:26 / " + (root_ / "v2").string() + " rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
    write("own", "0::/\n");
  }
  void be_hybrid() {
    std::string mounts;
    for (std::string name : {"cpu", "cpuacct", "memory", "pids"}) {
      fs::create_directories(root_ / name / "session");
      mounts += "31 24 0:27 / " + (root_ / name).string() + " rw - cgroup cgroup rw," + name + "\n";
    }
    write("v2/cgroup.controllers", "\n");
    write("v2/cgroup.subtree_control", "");
    mounts += "30 24 0:26 / " + (root_ / "v2").string() + " rw - cgroup2 cgroup2 rw\n";
    write("mountinfo", mounts);
    write("own", "4:memory:/session\n3:pids:/\n2:cpuacct:/\n1:cpu:/\n0::/\n");
  }
  Hierarchy detect() { return Hierarchy::detect(root_ / "mountinfo", root_ / "own").value(); }

  fs::path root_;
};

TEST_F(FakeHost, UsesVersionTwoWhereTheControllersAreThere) {
  be_v2();
  auto hierarchy = detect();
  EXPECT_EQ(hierarchy.describe(), "cpu, cpuset, io, memory, pids (v2)");
  auto group = Group::create(hierarchy, "serai-1/shop", {.cpu = 0.5, .memory = 64 << 20, .processes = 32});
  ASSERT_TRUE(group) << group.error().describe();
  EXPECT_EQ(read("v2/serai-1/shop/cpu.max"), "50000 100000");
  EXPECT_EQ(read("v2/serai-1/shop/memory.max"), "67108864");
  EXPECT_EQ(read("v2/serai-1/shop/pids.max"), "32");
  EXPECT_THAT(group->entrances(), testing::ElementsAre(root_ / "v2/serai-1/shop/cgroup.procs"));
}

TEST_F(FakeHost, ReadsUsageAndHitsOfVersionTwo) {
  be_v2();
  auto group = Group::create(detect(), "serai-1/shop", {}).value();
  write("v2/serai-1/shop/cpu.stat", "usage_usec 1500\nnr_periods 9\nnr_throttled 4\nthrottled_usec 250\n");
  write("v2/serai-1/shop/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n");
  write("v2/serai-1/shop/memory.current", "4096\n");
  write("v2/serai-1/shop/pids.events", "max 3\n");
  EXPECT_EQ(group.usage()->cpu, std::chrono::microseconds(1500));
  EXPECT_EQ(group.usage()->memory, 4096u);
  LimitHits expected{.cpu_throttled = 4,
                     .cpu_waited = std::chrono::microseconds(250),
                     .memory_reached = 7,
                     .out_of_memory_kills = 1,
                     .processes_refused = 3};
  EXPECT_EQ(group.hits().value(), expected);
}

TEST_F(FakeHost, UsesVersionOneBelowTheCallersOwnGroupsOnAHybridHost) {
  be_hybrid();
  auto hierarchy = detect();
  EXPECT_EQ(hierarchy.describe(), "cpu, cpuacct, memory, pids (v1)");
  auto group = Group::create(hierarchy, "serai-1/shop", {.cpu = 2, .memory = 64 << 20, .processes = 32});
  ASSERT_TRUE(group) << group.error().describe();
  EXPECT_EQ(read("cpu/serai-1/shop/cpu.cfs_quota_us"), "200000");
  EXPECT_EQ(read("memory/session/serai-1/shop/memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(read("pids/serai-1/shop/pids.max"), "32");
  EXPECT_EQ(group->entrances().size(), 4u);
}

TEST_F(FakeHost, GivesAVersionOneGroupTheCpusAndMemoryNodesOfTheOneAbove) {
  be_hybrid();
  write("cpuset/cpuset.cpus", "0-3\n");
  write("cpuset/cpuset.mems", "0\n");
  auto mounts = read("mountinfo") + "32 24 0:28 / " + (root_ / "cpuset").string() + " rw - cgroup cgroup rw,cpuset\n";
  write("mountinfo", mounts);
  auto hierarchy = detect();
  EXPECT_EQ(hierarchy.cpus(), (CpuSet{0, 1, 2, 3}));
  auto group = Group::create(hierarchy, "serai-1/shop", {}).value();
  EXPECT_EQ(read("cpuset/serai-1/cpuset.mems"), "0\n");
  EXPECT_EQ(read("cpuset/serai-1/shop/cpuset.cpus"), "0-3\n");
  ASSERT_TRUE(group.set_cpus({2, 3}));
  EXPECT_EQ(read("cpuset/serai-1/shop/cpuset.cpus"), "2-3");
  EXPECT_THAT(Group::with_cpus(hierarchy, "serai-1"), testing::ElementsAre("shop"));
}

TEST_F(FakeHost, PausesAGroupOfVersionTwoAndWaitsUntilItStands) {
  be_v2();
  auto group = Group::create(detect(), "serai-1/shop", {}).value();
  write("v2/serai-1/shop/cgroup.events", "populated 1\nfrozen 1\n");
  EXPECT_TRUE(group.freeze());
  EXPECT_EQ(read("v2/serai-1/shop/cgroup.freeze"), "1");
  write("v2/serai-1/shop/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_TRUE(group.thaw());
  EXPECT_EQ(read("v2/serai-1/shop/cgroup.freeze"), "0");
}

TEST_F(FakeHost, PausesAGroupOfVersionOneWhereThereIsAFreezer) {
  be_hybrid();
  EXPECT_EQ(Group::create(detect(), "serai-1/shop", {})->freeze().error().kind(), base::Kind::unsupported);
  fs::create_directories(root_ / "freezer");
  write("mountinfo",
        read("mountinfo") + "33 24 0:29 / " + (root_ / "freezer").string() + " rw - cgroup cgroup rw,freezer\n");
  auto group = Group::create(detect(), "serai-1/shop", {}).value();
  EXPECT_TRUE(group.freeze());
  EXPECT_EQ(read("freezer/serai-1/shop/freezer.state"), "FROZEN");
  EXPECT_TRUE(group.thaw());
  EXPECT_EQ(read("freezer/serai-1/shop/freezer.state"), "THAWED");
}

TEST_F(FakeHost, LeavesOutCpusetsThatCannotBeUsed) {
  be_hybrid();
  fs::create_directories(root_ / "cpuset");
  auto mounts = read("mountinfo") + "32 24 0:28 / " + (root_ / "cpuset").string() + " rw - cgroup cgroup rw,cpuset\n";
  write("mountinfo", mounts);
  auto group = Group::create(detect(), "serai-1/shop", {});
  ASSERT_TRUE(group) << group.error().describe();
  EXPECT_FALSE(group->has("cpuset"));
  EXPECT_FALSE(group->set_cpus({0}));
  EXPECT_EQ(group->entrances().size(), 4u);
}

TEST_F(FakeHost, WhoHasCpusOfItsOwnHasNoQuotaAndOnVersionTwoMemoryOfItsOwn) {
  be_v2();
  auto group = Group::create(detect(), "serai-1/shop", {.cpu = 2, .cpus = "2-3", .io_weight = 500}).value();
  EXPECT_EQ(read("v2/serai-1/shop/io.weight"), "500");
  EXPECT_EQ(read("v2/serai-1/shop/cpu.max"), "max 100000");
  ASSERT_TRUE(group.set_cpus({2, 3}));
  ASSERT_TRUE(group.reserve_memory(64 << 20));
  EXPECT_EQ(read("v2/serai-1/shop/cpuset.cpus"), "2-3");
  EXPECT_EQ(read("v2/serai-1/shop/memory.min"), "67108864");
}

TEST_F(FakeHost, ReadsUsageAndHitsOfVersionOne) {
  be_hybrid();
  auto group = Group::create(detect(), "serai-1/shop", {}).value();
  write("cpuacct/serai-1/shop/cpuacct.usage", "1234\n");
  write("cpu/serai-1/shop/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 2500\n");
  write("memory/session/serai-1/shop/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 6\n");
  write("memory/session/serai-1/shop/memory.failcnt", "8\n");
  EXPECT_EQ(group.usage()->cpu.count(), 1234);
  EXPECT_EQ(group.hits()->cpu_waited.count(), 2500);
  EXPECT_EQ(group.hits()->out_of_memory_kills, 6u);
  EXPECT_EQ(group.hits()->memory_reached, 8u);
}

TEST_F(FakeHost, RemembersAGroupByItsSavedPaths) {
  be_hybrid();
  auto group = Group::create(detect(), "serai-1/shop", {}).value();
  EXPECT_EQ(Group::restore(group.save()).entrances(), group.entrances());
}

TEST_F(FakeHost, SweepsTheGroupsThatNobodyKnows) {
  be_hybrid();
  for (auto* folder : {"cpu/serai-1/lost", "cpu/serai-1/shop", "memory/session/serai-1/lost", "cpu/serai-2/other"})
    fs::create_directories(root_ / folder);
  Group::sweep(detect(), "serai-1", {"shop"});
  EXPECT_FALSE(fs::exists(root_ / "cpu/serai-1/lost"));
  EXPECT_TRUE(fs::exists(root_ / "cpu/serai-1/shop"));
  EXPECT_FALSE(fs::exists(root_ / "memory/session/serai-1")) << "nothing is left in it";
  EXPECT_TRUE(fs::exists(root_ / "cpu/serai-2/other")) << "another Serai's";
}

TEST(RealHost, SweepsNoGroupInWhichAProcessIs) {
  auto hierarchy = Hierarchy::detect();
  if (::geteuid() != 0 || !hierarchy || !hierarchy->has("pids")) GTEST_SKIP() << "needs root and a pids controller";
  auto parent = "serai-test-" + std::to_string(::getpid());
  auto busy = Group::create(*hierarchy, parent + "/busy", {}).value();
  auto idle = Group::create(*hierarchy, parent + "/idle", {}).value();
  pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  ASSERT_TRUE(busy.add(child));
  Group::sweep(*hierarchy, parent, {});
  for (const auto& file : busy.entrances()) EXPECT_TRUE(fs::exists(file));
  for (const auto& file : idle.entrances()) EXPECT_FALSE(fs::exists(file.parent_path()));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(busy.remove());
}

TEST(RealHost, KeepsAProcessAndItsForksAndRemovesTheGroupWithStragglers) {
  auto hierarchy = Hierarchy::detect();
  if (::geteuid() != 0 || !hierarchy || !hierarchy->has("pids")) GTEST_SKIP() << "needs root and a pids controller";
  auto name = "serai-test-" + std::to_string(::getpid()) + "/straggler";
  auto group = Group::create(*hierarchy, name, {.memory = 64 << 20, .processes = 8});
  ASSERT_TRUE(group) << group.error().describe();
  pid_t child = ::fork();
  if (child == 0) {
    (void)group->add(::getpid());
    while (::fork() >= 0) {
    }
    for (;;) ::pause();
  }
  while (group->hits()->processes_refused == 0) ::usleep(1000);
  EXPECT_EQ(group->usage()->processes, 8u);
  auto removed = std::jthread([&] { ::waitpid(child, nullptr, 0); });
  auto result = group->remove();
  EXPECT_TRUE(result) << result.error().describe();
  for (const auto& file : group->entrances()) EXPECT_FALSE(fs::exists(file.parent_path()));
}

TEST(RealHost, AFrozenGroupUsesNoCpuAndCanBeRemoved) {
  auto hierarchy = Hierarchy::detect();
  if (::geteuid() != 0 || !hierarchy || !hierarchy->has("cpu")) GTEST_SKIP() << "needs root and a cpu controller";
  auto group = Group::create(*hierarchy, "serai-test-" + std::to_string(::getpid()) + "/frozen", {}).value();
  pid_t child = ::fork();
  if (child == 0)
    for (;;) (void)::getppid();
  ASSERT_TRUE(group.add(child));
  if (auto frozen = group.freeze(); !frozen) {
    (void)group.remove();
    ::waitpid(child, nullptr, 0);
    GTEST_SKIP() << frozen.error().describe();
  }
  auto before = group.usage()->cpu;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(group.usage()->cpu, before);
  auto reaper = std::jthread([&] { ::waitpid(child, nullptr, 0); });
  EXPECT_TRUE(group.remove());
}

}  // namespace
}  // namespace allocation
