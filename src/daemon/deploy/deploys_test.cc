#include "daemon/deploy/deploys.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collector.h"
#include "daemon/fixture_test.h"

namespace control_plane {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::Host;

using Files = std::map<std::string, std::string>;

// A program that brings its own server, with a build phase and a release phase.
Files project(const std::string& version) {
  return {{"Procfile", "web: ./server\nrelease: python migrate.py\n"},
          {"requirements.txt", "shop-library==" + version + "\n"},
          {"serai.toml", "[phases]\nbuild = [\"python collect.py\"]\n[env]\nSECRET_KEY = { generate = 32 }\n"},
          {"server", "#!/bin/sh\n# " + version + "\n"},
          {"migrate.py", ""},
          {"collect.py", ""}};
}

class DeploysTest : public testing_support::HostTest {
 protected:
  Result<std::string> begin(Host& host, const std::string& version, Variables env = {}) {
    return host.deploys.deploy({.app = "shop", .upload = upload(project(version)), .env = std::move(env)});
  }
  json deploy(Host& host, const std::string& version, Variables env = {}) {
    return host.finish(begin(host, version, std::move(env)));
  }

  // Exactly what one placed release needs is there.
  void expect_only(Host& host, int release) {
    auto placement = host.placement("shop");
    EXPECT_EQ(placement.release, release);
    EXPECT_THAT(names("instances"), ElementsAre(placement.instance));
    EXPECT_THAT(names("uploads"), IsEmpty());
    auto releases = host.store->releases("shop").value();
    std::set<std::string> folders, builds;
    for (const auto& one : releases) folders.insert(one.folder), builds.insert(one.build);
    EXPECT_EQ(names("apps/shop/releases"), folders);
    EXPECT_EQ(names("builds"), builds);
    EXPECT_THAT(host.store->instances().value(), SizeIs(1));
    EXPECT_THAT(host.store->running_deploys().value(), IsEmpty());
  }
  void expect_nothing(Host& host) {
    for (auto folder : {"instances", "uploads", "builds", "apps"}) EXPECT_THAT(names(folder), IsEmpty()) << folder;
    EXPECT_THAT(host.store->apps().value(), IsEmpty());
    EXPECT_THAT(host.store->running_deploys().value(), IsEmpty());
  }
};

TEST_F(DeploysTest, AFirstDeployServesAndLeavesOnlyWhatItNeeds) {
  Host host(root_);
  auto done = deploy(host, "1.0");
  ASSERT_EQ(done["event"], "done") << done;
  EXPECT_EQ(done["release"], 1);
  EXPECT_THAT(done["text"].get<std::string>(), HasSubstr("http://shop.localhost:8080"));
  expect_only(host, 1);
  EXPECT_EQ(host.front.entry("shop")["state"], "up");
  EXPECT_THAT(host.environment.commands, testing::Contains("python migrate.py"));
}

TEST_F(DeploysTest, ASecondDeployReplacesTheInstanceAndKeepsTheFirstRelease) {
  Host host(root_);
  deploy(host, "1.0");
  auto first = host.placement("shop").instance;
  ASSERT_EQ(deploy(host, "2.0")["event"], "done");
  EXPECT_NE(host.placement("shop").instance, first);
  EXPECT_THAT(host.environment.stopped, ElementsAre(first));
  expect_only(host, 2);
  ASSERT_EQ(host.finish(host.deploys.rollback("shop", 0))["event"], "done");
  expect_only(host, 1);
}

TEST_F(DeploysTest, OnlyTheLastReleasesAreKept) {
  Host host(root_);
  for (int version = 1; version <= kKeptReleases + 2; version++) deploy(host, std::to_string(version));
  EXPECT_THAT(host.store->releases("shop").value(), SizeIs(kKeptReleases));
  expect_only(host, kKeptReleases + 2);
}

struct Failure {
  const char* step;
  void (*arrange)(Host&);
};
class FailingDeploysTest : public DeploysTest, public testing::WithParamInterface<Failure> {};

TEST_P(FailingDeploysTest, LeavesTheOldReleaseServingAndNothingBehind) {
  Host host(root_);
  ASSERT_EQ(deploy(host, "1.0")["event"], "done");
  auto old = host.placement("shop").instance;
  GetParam().arrange(host);
  auto failed = deploy(host, "2.0", {{"PASSWORD", "correct-horse"}});
  EXPECT_EQ(failed["event"], "failed");
  EXPECT_EQ(failed["step"], GetParam().step) << failed;
  EXPECT_EQ(failed["still_serving"], "r1 keeps serving");
  EXPECT_NE(failed["advice"], "");
  EXPECT_THAT(failed.dump(), testing::Not(HasSubstr("correct-horse")));
  EXPECT_EQ(host.placement("shop").instance, old);
  EXPECT_EQ(host.front.entry("shop")["state"], "up");
  EXPECT_EQ(host.front.entry("shop")["instance"], old);
  EXPECT_THAT(host.environment.stopped, IsEmpty());
  expect_only(host, 1);
}

TEST_P(FailingDeploysTest, OfANewAppLeavesNothingAtAll) {
  Host host(root_);
  GetParam().arrange(host);
  auto failed = deploy(host, "1.0");
  EXPECT_EQ(failed["step"], GetParam().step) << failed;
  EXPECT_EQ(failed["still_serving"], "");
  expect_nothing(host);
}

INSTANTIATE_TEST_SUITE_P(
    AtEachStep, FailingDeploysTest,
    testing::Values(Failure{"build", [](Host& host) { host.environment.fail_command = "uv"; }},
                    Failure{"prepare", [](Host& host) { host.environment.fail_command = "collect.py"; }},
                    Failure{"phase", [](Host& host) { host.environment.fail_command = "migrate.py"; }},
                    Failure{"launch", [](Host& host) { host.environment.fail_start = true; }},
                    Failure{"launch", [](Host& host) { host.environment.answer = 0; }}));

// The daemon dies at a step; the next one finds the same root.
class CrashedDeploysTest : public DeploysTest, public testing::WithParamInterface<const char*> {
 protected:
  // In a process of its own, which the crash ends.
  void deploy_and_die(const std::string& version, const std::string& place) {
    auto id = upload(project(version));
    pid_t child = ::fork();
    if (child == 0) {
      Host host(root_, place);
      host.finish(host.deploys.deploy({.app = "shop", .upload = id, .env = {}}));
      ::_exit(place.empty() ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WIFSIGNALED(status), !place.empty()) << place << " was never reached";
  }
  static bool is_past_switch(const std::string& place) { return place == "switch:after" || place.starts_with("drain"); }
};

TEST_P(CrashedDeploysTest, AreFinishedOrUndoneByTheNextDaemon) {
  deploy_and_die("1.0", "");
  deploy_and_die("2.0", GetParam());
  Host host(root_);
  host.deploys.recover();
  expect_only(host, is_past_switch(GetParam()) ? 2 : 1);
  EXPECT_EQ(deploy(host, "3.0")["event"], "done");
}

TEST_P(CrashedDeploysTest, OfANewAppAreFinishedOrUndone) {
  if (std::string(GetParam()).starts_with("drain")) GTEST_SKIP() << "there is no old instance";
  deploy_and_die("1.0", GetParam());
  Host host(root_);
  host.deploys.recover();
  if (is_past_switch(GetParam()))
    expect_only(host, 1);
  else
    expect_nothing(host);
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, CrashedDeploysTest,
                         testing::Values("detect", "detect:after", "python", "build", "build:after", "prepare",
                                         "prepare:after", "release", "release:after", "phase", "phase:after", "launch",
                                         "launch:after", "switch", "switch:after", "drain"));

using environment::Kind;

TEST_F(DeploysTest, AMoveStartsTheSameReleaseInTheOtherKindAndEndsTheOldInstance) {
  Host host(root_);
  deploy(host, "1.0");
  auto old = host.placement("shop").instance;
  auto done = host.finish(host.deploys.move("shop", Kind::dedicated));
  ASSERT_EQ(done["event"], "done") << done;
  EXPECT_EQ(done["environment"], "dedicated");
  EXPECT_EQ(host.placement("shop").kind, Kind::dedicated);
  EXPECT_THAT(host.environment.started, ElementsAre(Kind::shared, Kind::dedicated));
  EXPECT_THAT(host.environment.stopped, ElementsAre(old));
  expect_only(host, 1);
  EXPECT_EQ(host.store->deploys("shop", 1)->front().kind, DeployKind::move);
}

TEST_F(DeploysTest, TheKindThatAnAppWasMovedToStaysUntilSomebodySaysOtherwise) {
  Host host(root_);
  deploy(host, "1.0");
  host.finish(host.deploys.move("shop", Kind::dedicated));
  deploy(host, "2.0");
  host.finish(host.deploys.restart("shop"));
  host.finish(host.deploys.rollback("shop", 1));
  host.finish(host.deploys.change_env("shop", {{"MODE", "a"}}, {}));
  EXPECT_EQ(host.placement("shop").kind, Kind::dedicated);
  EXPECT_THAT(host.environment.started, ElementsAre(Kind::shared, Kind::dedicated, Kind::dedicated, Kind::dedicated,
                                                    Kind::dedicated, Kind::dedicated));
  ASSERT_TRUE(host.deploys.stop("shop"));
  host.finish(host.deploys.start("shop"));
  EXPECT_EQ(host.environment.started.back(), Kind::dedicated);
}

TEST_F(DeploysTest, SeraiTomlIsStrongerThanWhereTheAppRunsAndTheRequestStrongerThanBoth) {
  Host host(root_);
  auto files = project("1.0");
  files["serai.toml"] += "[environment]\nkind = \"dedicated\"\n";
  host.finish(host.deploys.deploy({.app = "shop", .upload = upload(files), .env = {}}));
  EXPECT_EQ(host.placement("shop").kind, Kind::dedicated);
  host.finish(host.deploys.move("shop", Kind::shared));
  EXPECT_EQ(host.placement("shop").kind, Kind::shared);
  files["server"] += "# again\n";
  host.finish(host.deploys.deploy({.app = "shop", .upload = upload(files), .env = {}}));
  EXPECT_EQ(host.placement("shop").kind, Kind::dedicated);
  host.finish(host.deploys.deploy({.app = "shop", .upload = upload(files), .env = {}, .kind = Kind::shared}));
  EXPECT_EQ(host.placement("shop").kind, Kind::shared);
}

TEST_F(DeploysTest, AMoveThatCannotWorkIsRefusedAndTheOldInstanceUntouched) {
  Host host(root_);
  deploy(host, "1.0");
  host.environment.refused = {Kind::dedicated};
  auto old = host.placement("shop").instance;
  auto refused = host.deploys.move("shop", Kind::dedicated);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "there is no room for shop in dedicated");
  EXPECT_EQ(host.deploys.move("shop", Kind::shared).error().kind(), base::Kind::conflict) << "it is there";
  EXPECT_EQ(host.deploys.move("blog", Kind::dedicated).error().kind(), base::Kind::not_found);
  EXPECT_EQ(host.placement("shop").instance, old);
  EXPECT_THAT(host.environment.stopped, IsEmpty());
  expect_only(host, 1);
}

// Although what the old instance wrote means that it would have to stop first.
TEST_F(DeploysTest, AKindThatIsFullWhenTheInstanceShallStartLeavesTheOldOneRunning) {
  Host host(root_);
  deploy(host, "1.0");
  host.environment.unadopted_ = {"uploads"};
  host.environment.refused = {Kind::shared};
  EXPECT_EQ(host.finish(host.deploys.restart("shop"))["event"], "failed");
  EXPECT_THAT(host.environment.stopped, IsEmpty());
}

TEST_F(DeploysTest, AKindThatThisHostCannotDoIsRefusedBeforeAnythingIsBuilt) {
  Host host(root_);
  host.environment.refused = {Kind::dedicated};
  auto id = host.deploys.deploy({.app = "shop", .upload = upload(project("1.0")), .env = {}, .kind = Kind::dedicated});
  auto failed = host.finish(id);
  EXPECT_EQ(failed["event"], "failed");
  EXPECT_THAT(failed["found"].get<std::string>(), HasSubstr("no room for shop in dedicated"));
  EXPECT_THAT(host.environment.commands, IsEmpty());
  expect_nothing(host);
}

class CrashedMovesTest : public CrashedDeploysTest {};

TEST_P(CrashedMovesTest, AreFinishedOrUndoneByTheNextDaemon) {
  deploy_and_die("1.0", "");
  pid_t child = ::fork();
  if (child == 0) {
    Host host(root_, GetParam());
    host.finish(host.deploys.move("shop", Kind::dedicated));
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << GetParam() << " was never reached";
  Host host(root_);
  host.deploys.recover();
  expect_only(host, 1);
  EXPECT_EQ(host.placement("shop").kind, is_past_switch(GetParam()) ? Kind::dedicated : Kind::shared);
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, CrashedMovesTest,
                         testing::Values("launch", "launch:after", "switch", "switch:after", "drain"));

// --- splits

class SplitsTest : public DeploysTest {
 protected:
  json split(Host& host, const std::map<Kind, int>& shares) { return host.finish(host.deploys.split("shop", shares)); }
  static std::optional<Split> found(Host& host) { return host.store->find_split("shop").value(); }
};

TEST_F(SplitsTest, ASecondPlaceOfTheSameReleaseGetsItsShare) {
  Host host(root_);
  deploy(host, "1.0");
  auto first = host.placement("shop").instance;
  auto done = split(host, {{Kind::dedicated, 10}, {Kind::shared, 90}});
  ASSERT_EQ(done["event"], "done") << done;
  EXPECT_EQ(host.placement("shop").instance, first);
  EXPECT_EQ(host.placement("shop").kind, Kind::shared);
  EXPECT_THAT(host.environment.started, ElementsAre(Kind::shared, Kind::dedicated));
  EXPECT_THAT(host.environment.stopped, IsEmpty());
  auto entry = host.front.entry("shop");
  EXPECT_EQ(entry["instance"], first);
  EXPECT_EQ(entry["split"]["percent"], 10);
  EXPECT_EQ(entry["split"]["instance"], found(host)->instance);
  EXPECT_TRUE(entry["split"]["upstream"].contains("tcp"));
}

TEST_F(SplitsTest, AnotherShareNeedsNoOtherInstance) {
  Host host(root_);
  deploy(host, "1.0");
  split(host, {{Kind::dedicated, 10}});
  auto second = found(host)->instance;
  ASSERT_EQ(split(host, {{Kind::dedicated, 60}})["event"], "done");
  EXPECT_EQ(found(host)->instance, second);
  EXPECT_EQ(host.front.entry("shop")["split"]["percent"], 60);
  ASSERT_EQ(split(host, {{Kind::container, 60}})["event"], "done");
  EXPECT_EQ(found(host)->kind, Kind::container);
  EXPECT_THAT(host.environment.stopped, ElementsAre(second));
}

TEST_F(SplitsTest, AllForTheOwnKindEndsIt) {
  Host host(root_);
  deploy(host, "1.0");
  split(host, {{Kind::dedicated, 10}});
  auto second = found(host)->instance;
  ASSERT_EQ(split(host, {{Kind::shared, 100}})["event"], "done");
  EXPECT_FALSE(found(host));
  EXPECT_FALSE(host.front.entry("shop").contains("split"));
  EXPECT_THAT(host.environment.stopped, ElementsAre(second));
  expect_only(host, 1);
  EXPECT_FALSE(host.deploys.split("shop", {{Kind::shared, 100}})) << "there is none";
}

TEST_F(SplitsTest, AllForAnotherKindIsAMove) {
  Host host(root_);
  deploy(host, "1.0");
  split(host, {{Kind::dedicated, 10}});
  ASSERT_EQ(split(host, {{Kind::dedicated, 100}})["event"], "done");
  EXPECT_FALSE(found(host));
  EXPECT_EQ(host.placement("shop").kind, Kind::dedicated);
  expect_only(host, 1);
}

TEST_F(SplitsTest, WhateverChangesTheReleaseEndsItAndARestartDoesNot) {
  Host host(root_);
  deploy(host, "1.0");
  split(host, {{Kind::dedicated, 10}});
  auto second = found(host)->instance;
  host.finish(host.deploys.restart("shop"));
  EXPECT_EQ(found(host)->instance, second);
  deploy(host, "2.0");
  EXPECT_FALSE(found(host));
  expect_only(host, 2);
  split(host, {{Kind::dedicated, 10}});
  ASSERT_TRUE(host.deploys.stop("shop"));
  EXPECT_FALSE(found(host));
  EXPECT_THAT(names("instances"), IsEmpty());
}

TEST_F(SplitsTest, ALostSecondPlaceIsStartedAgainWithItsShare) {
  Host host(root_);
  deploy(host, "1.0");
  split(host, {{Kind::dedicated, 10}});
  auto second = found(host)->instance;
  ASSERT_TRUE(host.environment.destroy(second));
  ASSERT_EQ(host.finish(host.deploys.restart_second("shop"))["event"], "done");
  EXPECT_NE(found(host)->instance, second);
  EXPECT_EQ(found(host)->percent, 10);
  EXPECT_THAT(host.store->instances().value(), SizeIs(2));
}

TEST_F(SplitsTest, WhatCannotWorkIsRefusedAndChangesNothing) {
  Host host(root_);
  deploy(host, "1.0");
  for (const std::map<Kind, int>& shares : {std::map<Kind, int>{},
                                            {{Kind::dedicated, 101}},
                                            {{Kind::dedicated, -1}},
                                            {{Kind::dedicated, 10}, {Kind::shared, 80}},
                                            {{Kind::dedicated, 10}, {Kind::container, 10}}}) {
    auto refused = host.deploys.split("shop", shares);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), base::Kind::invalid);
  }
  EXPECT_EQ(host.deploys.split("shop", {{Kind::vm, 10}}).error().kind(), base::Kind::unsupported);
  host.environment.refused = {Kind::dedicated};
  EXPECT_EQ(host.deploys.split("shop", {{Kind::dedicated, 10}}).error().message(),
            "there is no room for shop in dedicated");
  host.environment.refused = {};
  host.environment.unadopted_ = {"uploads"};
  EXPECT_THAT(split(host, {{Kind::dedicated, 10}})["found"].get<std::string>(), HasSubstr("wrote beside its code"));
  host.environment.unadopted_ = {};
  host.environment.fail_start = true;
  EXPECT_EQ(split(host, {{Kind::dedicated, 10}})["still_serving"], "r1 keeps serving");
  EXPECT_FALSE(found(host));
  expect_only(host, 1);
}

class CrashedSplitsTest : public CrashedDeploysTest {};

TEST_P(CrashedSplitsTest, AreFinishedOrUndoneByTheNextDaemon) {
  deploy_and_die("1.0", "");
  pid_t child = ::fork();
  if (child == 0) {
    Host host(root_, GetParam());
    host.finish(host.deploys.split("shop", {{Kind::dedicated, 10}}));
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << GetParam() << " was never reached";
  Host host(root_);
  host.deploys.recover();
  auto split = host.store->find_split("shop").value();
  EXPECT_EQ(split.has_value(), is_past_switch(GetParam()));
  if (!split) return expect_only(host, 1);
  EXPECT_THAT(names("instances"), testing::UnorderedElementsAre(host.placement("shop").instance, split->instance));
  EXPECT_EQ(host.deploys.split("shop", {{Kind::shared, 100}}).has_value(), true);
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, CrashedSplitsTest,
                         testing::Values("launch", "launch:after", "switch", "switch:after"));

TEST_F(DeploysTest, OneChangeOfAnAppAtATime) {
  Host host(root_);
  deploy(host, "1.0");
  auto running = begin(host, "2.0");
  auto refused = host.deploys.restart("shop");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::conflict);
  EXPECT_EQ(host.deploys.destroy("shop").error().kind(), base::Kind::conflict);
  EXPECT_EQ(host.finish(running)["event"], "done");
}

TEST_F(DeploysTest, WrittenFilesMakeTheInstancesTakeTurnsWhileRequestsWait) {
  Host host(root_);
  deploy(host, "1.0");
  auto old = host.placement("shop").instance;
  host.environment.unadopted_ = {"uploads"};
  host.front.states.clear();
  ASSERT_EQ(deploy(host, "2.0")["event"], "done");
  EXPECT_THAT(host.front.states, ElementsAre("hold", "up"));
  EXPECT_EQ(host.environment.stopped.front(), old);
}

TEST_F(DeploysTest, ChangedVariablesAreANewReleaseWithAnotherDigest) {
  Host host(root_);
  deploy(host, "1.0");
  ASSERT_EQ(host.finish(host.deploys.change_env("shop", {{"MODE", "a"}}, {}))["event"], "done");
  ASSERT_EQ(host.finish(host.deploys.rollback("shop", 1))["event"], "done");
  ASSERT_EQ(host.finish(host.deploys.change_env("shop", {{"MODE", "b"}}, {}))["event"], "done");
  auto releases = host.store->releases("shop").value();
  ASSERT_THAT(releases, SizeIs(3));
  EXPECT_NE(releases[0].digest, releases[1].digest);
  auto values = read_env_file(host.paths.env("shop"), releases[0].env_version).value();
  EXPECT_EQ(values["MODE"], "b");
  EXPECT_THAT(values["SECRET_KEY"], SizeIs(32));
}

TEST_F(DeploysTest, AnAppIsNotDestroyedWhileACommandOfItRuns) {
  Host host(root_);
  deploy(host, "1.0");
  {
    auto use = host.deploys.use("shop");
    ASSERT_TRUE(use);
    EXPECT_EQ(host.deploys.destroy("shop").error().kind(), base::Kind::conflict);
    EXPECT_EQ(deploy(host, "2.0")["event"], "done");
  }
  EXPECT_TRUE(host.deploys.destroy("shop"));
}

TEST_F(DeploysTest, DestroyLeavesNothing) {
  Host host(root_);
  deploy(host, "1.0");
  ASSERT_TRUE(host.deploys.destroy("shop"));
  expect_nothing(host);
  EXPECT_TRUE(host.front.entry("shop").is_null());
}

TEST_F(DeploysTest, AHostOfAnotherAppIsRefusedBeforeAnythingStarts) {
  Host host(root_);
  deploy(host, "1.0");
  auto thief = project("1.0");
  thief["serai.toml"] += "[routes]\nhosts = [\"shop.localhost\"]\n";
  auto failed = host.finish(host.deploys.deploy({.app = "thief", .upload = upload(thief), .env = {}}));
  EXPECT_EQ(failed["event"], "failed");
  EXPECT_THAT(failed["found"].get<std::string>(), HasSubstr("the app shop serves it"));
  expect_only(host, 1);
}

TEST_F(DeploysTest, NamesThatAreNoAppNamesAreRefused) {
  Host host(root_);
  for (auto name : {"../shop", "Shop", "", "a/b", "run_1", "doctor_1"}) {
    EXPECT_FALSE(host.deploys.deploy({.app = name, .upload = "x", .env = {}})) << name;
  }
}

}  // namespace
}  // namespace control_plane
