// CPUs and memory of an app's own, tried with real instances.
#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "allocation/group.h"
#include "base/file.h"
#include "environment/registry.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment {
namespace {

using allocation::CpuSet;
using testing::HasSubstr;

constexpr const char* kForever = "echo ready; while :; do sleep 0.1; done";

class DedicatedTest : public testing_support::SharedTest {
 protected:
  void SetUp() override {
    SharedTest::SetUp();
    if (IsSkipped()) return;
    all_ = hierarchy_.cpus();
    cores_ = allocation::cores_of(all_);
    if (cores_.size() < 2) GTEST_SKIP() << "needs cpuset control groups and two cores";
  }

  InstanceSpec dedicated(const std::string& app, const std::string& id) {
    auto spec = script(app, id, kForever);
    spec.kind = Kind::dedicated;
    return spec;
  }
  // As many CPUs as can be given away.
  double most() const { return static_cast<double>(all_.size() - cores_.front().size()); }
  Demand demand(const std::string& app, double cpu = 1) const {
    return {.app = app, .kind = Kind::dedicated, .limits = {.cpu = cpu}};
  }

  // Where all processes of the instance may run; they agree.
  CpuSet cpus_of(const std::string& id) {
    auto name = Identities::open(layout_).value().host_name() + "/" + id;
    std::set<CpuSet> found;
    for (auto pid : allocation::Group::at(hierarchy_, name).processes()) {
      auto status = base::read_file(fmt::format("/proc/{}/status", pid)).value_or("");
      auto at = status.find("Cpus_allowed_list:\t");
      if (at == std::string::npos) continue;  // it ended
      auto list = status.substr(at + 19);
      found.insert(allocation::parse_cpus(list.substr(0, list.find('\n'))).value());
    }
    EXPECT_EQ(found.size(), 1u) << id;
    return found.empty() ? CpuSet{} : *found.begin();
  }
  CpuSet without(const CpuSet& taken) const {
    CpuSet rest;
    std::ranges::set_difference(all_, taken, std::inserter(rest, rest.end()));
    return rest;
  }

  allocation::Hierarchy hierarchy_ = allocation::Hierarchy::detect().value();
  CpuSet all_;
  std::vector<CpuSet> cores_;
};

TEST_F(DedicatedTest, HasCpusOnWhichNoOtherInstanceRunsAsLongAsItIsThere) {
  start(script("blog", "blog-1", kForever));
  EXPECT_EQ(cpus_of("blog-1"), all_);
  start(dedicated("shop", "shop-1"));
  EXPECT_EQ(cpus_of("shop-1"), cores_.back());
  EXPECT_EQ(cpus_of("blog-1"), without(cores_.back())) << "running instances leave";
  start(script("wiki", "wiki-1", kForever));
  EXPECT_EQ(cpus_of("wiki-1"), without(cores_.back())) << "new ones do not come";
  auto out = output_of(run_spec("shop", make_release("r", {{"a", ""}}), "grep Cpus_allowed_list /proc/self/status"));
  EXPECT_THAT(out, HasSubstr("\t" + allocation::format_cpus(without(cores_.back())) + "\n")) << "nor one-off commands";
  EXPECT_EQ(environment_->inspect("shop-1")->limits.cpus, allocation::format_cpus(cores_.back()));
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_EQ(cpus_of("blog-1"), all_);
  EXPECT_EQ(cpus_of("wiki-1"), all_);
}

TEST_F(DedicatedTest, IsRefusedWithTheArithmeticWhenTheHostIsFull) {
  auto first = dedicated("shop", "shop-1");
  first.limits.cpu = most();
  start(first);
  auto checked = environment_->check(demand("blog"));
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("give blog 1 CPU of its own: this host has"));
  EXPECT_THAT(checked.error().message(), HasSubstr("shop has"));
  Launch launch;
  auto started = environment_->start(dedicated("blog", "blog-1"), launch);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message(), checked.error().message());
  EXPECT_FALSE(std::filesystem::exists(layout_.instance("blog-1")));
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_TRUE(environment_->check(demand("blog")));
}

TEST_F(DedicatedTest, NeverGetsTheLastCoreNorAPartOfACpu) {
  EXPECT_TRUE(environment_->check(demand("shop", most())));
  EXPECT_EQ(environment_->check(demand("shop", most() + 1)).error().kind(), base::Kind::overloaded);
  EXPECT_EQ(environment_->check(demand("shop", 0.5)).error().kind(), base::Kind::invalid);
  EXPECT_EQ(environment_->check(demand("shop", 1.5)).error().kind(), base::Kind::invalid);
}

TEST_F(DedicatedTest, GetsNoMoreMemoryThanTheHostCanReserve) {
  auto host = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::getpagesize());
  auto wants = demand("shop");
  wants.limits.memory = host / 2;
  EXPECT_TRUE(environment_->check(wants));
  wants.limits.memory = host;
  auto refused = environment_->check(wants);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::overloaded);
  EXPECT_THAT(refused.error().message(), HasSubstr(fmt::format("of this host's {} MiB", host >> 20)));
}

TEST_F(DedicatedTest, MayHaveAPriorityOfItsOwnWhichSharedAppsMayNot) {
  auto spec = dedicated("shop", "shop-1");
  spec.limits.nice = -5;
  auto group = Identities::open(layout_).value().host_name() + "/" + start(spec).id;
  for (auto pid : allocation::Group::at(hierarchy_, group).processes())
    EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), -5);
  auto wants = demand("blog");
  wants.kind = Kind::shared;
  EXPECT_TRUE(environment_->check(wants));
  wants.limits.nice = -5;
  EXPECT_EQ(environment_->check(wants).error().kind(), base::Kind::invalid);
}

TEST_F(DedicatedTest, WhatReplacesAnInstanceOfTheAppRunsOnTheSameCpus) {
  auto old = dedicated("shop", "shop-1"), next = dedicated("shop", "shop-2");
  old.limits.cpu = next.limits.cpu = most();
  start(script("blog", "blog-1", kForever));
  start(old);
  auto own = cpus_of("shop-1");
  start(next);
  EXPECT_EQ(cpus_of("shop-2"), own);
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_EQ(cpus_of("shop-2"), own);
  EXPECT_EQ(cpus_of("blog-1"), without(own));
}

TEST_F(DedicatedTest, IsKnownToTheNextDaemon) {
  auto spec = dedicated("shop", "shop-1");
  spec.limits.cpu = most();
  start(spec);
  start(script("blog", "blog-1", kForever));
  auto own = cpus_of("shop-1");
  new_daemon();
  EXPECT_EQ(cpus_of("shop-1"), own);
  EXPECT_FALSE(environment_->check(demand("wiki")));
  EXPECT_TRUE(environment_->check(demand("shop", most())));
  start(script("wiki", "wiki-1", kForever));
  EXPECT_EQ(cpus_of("wiki-1"), without(own));
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_EQ(cpus_of("blog-1"), all_);
  EXPECT_EQ(cpus_of("wiki-1"), all_);
}

TEST_F(DedicatedTest, ThatDoesNotStartReservesNothing) {
  start(script("blog", "blog-1", kForever));
  auto broken = dedicated("shop", "shop-1");
  broken.parts.code = layout_.root / "missing";
  Launch launch;
  EXPECT_FALSE(environment_->start(broken, launch));
  EXPECT_EQ(cpus_of("blog-1"), all_);
  EXPECT_TRUE(environment_->check(demand("wiki", most())));
}

TEST_F(DedicatedTest, DoctorTriesItOut) {
  Facts facts;
  for (const auto& fact : environment_->doctor())
    if (fact.kind == Kind::dedicated) facts.push_back(fact);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].state, Fact::State::good) << facts[0].found;
  EXPECT_THAT(facts[0].found, HasSubstr("none is taken"));
  EXPECT_NE(facts[1].state, Fact::State::missing) << facts[1].found;
}

TEST_F(DedicatedTest, KindsThatThisVersionDoesNotHaveAreRefused) {
  Registry registry(layout_,
                    make_shared_environment({.layout = layout_, .instance_program = "serai-instance"}).value());
  auto refused = registry.check({.app = "shop", .kind = Kind::vm, .limits = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::unsupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("the vm environment is not in this version"));
}

}  // namespace
}  // namespace environment
