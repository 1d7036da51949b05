#include "daemon/trial/trials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "daemon/fixture_test.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;
using environment::Kind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing_support::Host;

class TrialTest : public testing_support::HostTest {
 protected:
  TrialTest() {
    auto id = host_.deploys.deploy(
        {.app = "shop",
         .upload = upload({{"Procfile", "web: ./server\nmailer: ./mail\n"}, {"server", "#!/bin/sh\n"}})});
    EXPECT_EQ(host_.finish(id)["event"], "done");
    fs::create_directories(root_ / "apps/shop/data/media");
    std::ofstream(root_ / "apps/shop/data/media/picture") << "pixels";
    live_ = host_.placement("shop").instance;
  }
  std::set<std::string> trials() const {
    auto found = names("apps");
    found.merge(names("instances"));
    std::erase_if(found, [](const std::string& name) { return !name.starts_with(kTrialPrefix); });
    return found;
  }

  Host host_{root_};
  std::string live_;
};

TEST_F(TrialTest, HasACopyOfTheReleaseAndOfTheData) {
  auto trial = Trial::begin(host_.services, "shop", {});
  ASSERT_TRUE(trial) << trial.error().describe();
  auto copy = root_ / "apps" / (*trial)->id();
  EXPECT_EQ(base::read_file(copy / "data/media/picture").value_or(""), "pixels");
  EXPECT_TRUE(fs::exists(copy / "releases/trial/code/server"));
  EXPECT_EQ((*trial)->data().files, 1u);
  EXPECT_EQ((*trial)->host(), "shop.localhost");
  auto empty = Trial::begin(host_.services, "shop", {.with_data = false});
  EXPECT_FALSE(fs::exists(root_ / "apps" / (*empty)->id() / "data/media"));
}

TEST_F(TrialTest, OnlyOneOfThemRunsAtATime) {
  auto trial = std::move(*Trial::begin(host_.services, "shop", {}));
  auto first = trial->place(Kind::shared, Trial::PageCache::dropped);
  auto second = trial->place(Kind::container, Trial::PageCache::as_it_is);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(first->stages.empty());
  EXPECT_THAT(host_.environment.started, ElementsAre(Kind::shared, Kind::shared, Kind::container));
  (void)trial->give_turn(first->name);  // the fake one has no control group to be put on a CPU
  EXPECT_THAT(host_.environment.frozen, ElementsAre(second->name));
  ASSERT_TRUE(trial->give_turn(""));
  EXPECT_THAT(host_.environment.frozen, UnorderedElementsAre(first->name, second->name));
  EXPECT_FALSE(trial->give_turn(live_)) << "the live one is none of its";
  EXPECT_FALSE(host_.environment.frozen.contains(live_));
}

TEST_F(TrialTest, LeavesNothingBehindAndTheLiveAppAsItWas) {
  auto trial = std::move(*Trial::begin(host_.services, "shop", {}));
  auto placed = trial->place(Kind::shared, Trial::PageCache::as_it_is);
  ASSERT_TRUE(placed);
  EXPECT_FALSE(trials().empty());
  trial->end();
  EXPECT_THAT(trials(), IsEmpty());
  EXPECT_THAT(names("instances"), ElementsAre(live_));
  EXPECT_FALSE(trial->place(Kind::shared, Trial::PageCache::as_it_is)) << "it has ended";
}

TEST_F(TrialTest, AStartThatFailsIsToldAndRemoved) {
  host_.environment.answer = 503;
  auto trial = std::move(*Trial::begin(host_.services, "shop", {}));
  auto placed = trial->place(Kind::shared, Trial::PageCache::as_it_is);
  ASSERT_FALSE(placed);
  EXPECT_THAT(names("instances"), ElementsAre(live_));
}

TEST_F(TrialTest, TellsWhichKindsCannotTakePart) {
  host_.environment.refused = {Kind::vm};
  auto trial = std::move(*Trial::begin(host_.services, "shop", {}));
  for (const auto& [kind, possible] : trial->kinds()) EXPECT_EQ(possible.has_value(), kind != Kind::vm);
  EXPECT_FALSE(trial->place(Kind::vm, Trial::PageCache::as_it_is));
}

TEST_F(TrialTest, WhatAKilledDaemonLeftIsSwept) {
  fs::create_directories(root_ / "apps/trial_abc123/releases/trial/code");
  sweep_trials(host_.services);
  EXPECT_THAT(trials(), IsEmpty());
  EXPECT_TRUE(fs::exists(root_ / "apps/shop"));
}

TEST_F(TrialTest, IsTheOnlyOneAtATime) {
  Trials trials(host_.services);
  auto first = trials.open("shop", {});
  ASSERT_TRUE(first);
  EXPECT_EQ(trials.open("shop", {}).error().kind(), base::Kind::conflict);
  trials.close((*first)->id());
  EXPECT_TRUE((*first)->has_ended());
  EXPECT_FALSE(trials.find((*first)->id()));
  auto second = trials.open("shop", {});
  ASSERT_TRUE(second);
  trials.close((*second)->id());
}

TEST_F(TrialTest, OfAnAppThatIsNotThereIsRefused) {
  EXPECT_EQ(Trial::begin(host_.services, "wiki", {}).error().kind(), base::Kind::not_found);
}

}  // namespace
}  // namespace control_plane
