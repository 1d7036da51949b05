#include "daemon/store/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>

namespace control_plane {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char pattern[] = "/tmp/serai-store-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    store_ = std::move(*Store::open(folder_ / "state.db"));
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  void reopen() {
    store_.reset();
    store_ = std::move(*Store::open(folder_ / "state.db"));
  }
  Deploy begin(const std::string& id, const std::string& app) {
    Deploy deploy;
    deploy.id = id;
    deploy.app = app;
    EXPECT_TRUE(store_->add_deploy(deploy));
    return deploy;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, RemembersThatAnAppIsBeingDestroyed) {
  ASSERT_TRUE(store_->add_app({"shop", 7}));
  EXPECT_FALSE((*store_->find_app("shop"))->destroying);
  ASSERT_TRUE(store_->begin_destroying("shop"));
  reopen();
  EXPECT_TRUE((*store_->find_app("shop"))->destroying);
  EXPECT_TRUE(store_->apps()->front().destroying);
}

TEST_F(StoreTest, RemembersAcrossARestart) {
  ASSERT_TRUE(store_->add_app({"shop", 7}));
  reopen();
  auto app = store_->find_app("shop");
  ASSERT_TRUE(app && *app);
  EXPECT_EQ((*app)->created_at, 7);
}

TEST_F(StoreTest, RefusesTheSchemaOfANewerSerai) {
  store_.reset();
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "state.db").c_str(), &raw), SQLITE_OK);
  sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  auto opened = Store::open(folder_ / "state.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind(), base::Kind::unsupported);
}

// The schema of the version before environments had kinds, with one running app.
constexpr const char* kSchemaTwo = R"(
    CREATE TABLE apps(name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, last_release INTEGER NOT NULL DEFAULT 0,
                      last_env INTEGER NOT NULL DEFAULT 0, destroying INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE placements(app TEXT PRIMARY KEY REFERENCES apps(name) ON DELETE CASCADE, release INTEGER NOT NULL,
                            instance TEXT NOT NULL);
    CREATE TABLE instances(id TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE,
                           release INTEGER NOT NULL, state INTEGER NOT NULL, created_at INTEGER NOT NULL,
                           last_event INTEGER NOT NULL);
    CREATE TABLE deploys(id TEXT PRIMARY KEY, app TEXT NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL, step TEXT NOT NULL, upload TEXT NOT NULL,
                         release INTEGER NOT NULL, instance TEXT NOT NULL, old_instance TEXT NOT NULL,
                         switched INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL);
    INSERT INTO apps(name, created_at) VALUES('shop', 1);
    INSERT INTO placements VALUES('shop', 3, 'shop-r3-a');
    INSERT INTO instances VALUES('shop-r3-a', 'shop', 3, 1, 7, 0);
    INSERT INTO deploys VALUES('d', 'shop', 0, 1, 'drain', '', 3, 'shop-r3-a', '', 1, 5, 6);
    PRAGMA user_version=2;)";

TEST_F(StoreTest, WhatRanBeforeEnvironmentsHadKindsIsShared) {
  store_.reset();
  std::filesystem::remove(folder_ / "state.db");
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "state.db").c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw, kSchemaTwo, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(raw);
  sqlite3_close(raw);
  auto opened = Store::open(folder_ / "state.db");
  ASSERT_TRUE(opened) << opened.error().describe();
  store_ = std::move(*opened);
  EXPECT_EQ((**store_->find_placement("shop")).kind, environment::Kind::shared);
  EXPECT_EQ(store_->instances()->front().kind, environment::Kind::shared);
  auto deploy = **store_->find_deploy("d");
  EXPECT_EQ(deploy.finished_at, 6);
  EXPECT_FALSE(deploy.target);
}

TEST_F(StoreTest, ASwitchPlacesTheAppInTheKindThatTheDeployLedTo) {
  ASSERT_TRUE(store_->add_app({"shop", 1}));
  ASSERT_TRUE(store_->set_placement({"shop", 1, "shop-1"}));
  Instance instance{"shop-2", "shop", 1, InstanceState::starting, 2};
  instance.kind = environment::Kind::dedicated;
  ASSERT_TRUE(store_->add_instance(instance));
  auto deploy = begin("a", "shop");
  deploy.release = 1;
  deploy.instance = "shop-2";
  deploy.target = environment::Kind::dedicated;
  deploy.switched = true;
  ASSERT_TRUE(store_->commit_switch(deploy));
  reopen();
  EXPECT_EQ((**store_->find_placement("shop")).kind, environment::Kind::dedicated);
  EXPECT_EQ(store_->placements()->front().kind, environment::Kind::dedicated);
  EXPECT_EQ(store_->instances()->front().kind, environment::Kind::dedicated);
  EXPECT_EQ((**store_->find_deploy("a")).target, environment::Kind::dedicated);
}

TEST_F(StoreTest, AllowsOneRunningDeployPerApp) {
  auto first = begin("a", "shop");
  Deploy second = first;
  second.id = "b";
  auto refused = store_->add_deploy(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::conflict);
  first.state = DeployState::succeeded;
  ASSERT_TRUE(store_->update_deploy(first));
  EXPECT_TRUE(store_->add_deploy(second));
}

TEST_F(StoreTest, CommitsASwitchAsOneChange) {
  ASSERT_TRUE(store_->add_app({"shop", 1}));
  ASSERT_TRUE(store_->add_instance({"shop-1", "shop", 1, InstanceState::running, 1}));
  ASSERT_TRUE(store_->add_instance({"shop-2", "shop", 2, InstanceState::starting, 2}));
  auto deploy = begin("a", "shop");
  deploy.release = 2;
  deploy.instance = "shop-2";
  deploy.old_instance = "shop-1";
  deploy.switched = true;
  ASSERT_TRUE(store_->commit_switch(deploy));
  reopen();
  EXPECT_EQ((**store_->find_placement("shop")).instance, "shop-2");
  auto instances = *store_->instances();
  EXPECT_EQ(instances[0].state, InstanceState::draining);
  EXPECT_EQ(instances[1].state, InstanceState::running);
  EXPECT_TRUE((*store_->running_deploys())[0].switched);
}

TEST_F(StoreTest, NeverUsesAReleaseNumberTwice) {
  ASSERT_TRUE(store_->add_app({"shop", 1}));
  EXPECT_EQ(store_->next_release_number("shop"), 1);
  Release release;
  release.app = "shop";
  release.number = 1;
  ASSERT_TRUE(store_->add_release(release));
  ASSERT_TRUE(store_->remove_release("shop", 1));
  EXPECT_EQ(store_->next_release_number("shop"), 2);
}

TEST_F(StoreTest, GivesAHostToOneAppOnly) {
  ASSERT_TRUE(store_->add_app({"shop", 1}));
  ASSERT_TRUE(store_->add_app({"blog", 1}));
  ASSERT_TRUE(store_->add_domain("shop", "www.example.org"));
  EXPECT_TRUE(store_->add_domain("shop", "www.example.org"));
  auto refused = store_->add_domain("blog", "www.example.org");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::conflict);
  EXPECT_EQ(store_->remove_domain("blog", "www.example.org").error().kind(), base::Kind::not_found);
}

TEST_F(StoreTest, ForgetsAnAppButNotWhyItsDeployFailed) {
  ASSERT_TRUE(store_->add_app({"shop", 1}));
  ASSERT_TRUE(store_->add_domain("shop", "www.example.org"));
  begin("a", "shop");
  ASSERT_TRUE(store_->add_deploy_event("a", "one"));
  ASSERT_TRUE(store_->add_deploy_event("a", "two"));
  ASSERT_TRUE(store_->remove_app("shop"));
  EXPECT_TRUE(store_->domains("shop")->empty());
  EXPECT_EQ(*store_->deploy_events("a"), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(*store_->deploy_events("a", 1), (std::vector<std::string>{"two"}));
}

}  // namespace
}  // namespace control_plane
