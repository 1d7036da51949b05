#include "daemon/routes.h"

#include <gmock/gmock.h>

#include "daemon/fixture_test.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing_support::Host;

class RoutesTest : public testing_support::HostTest {
 protected:
  // An app with a placed release; the folder of its code is there.
  void place(const std::string& app, const app::Config& config, const std::string& instance = "i") {
    ASSERT_TRUE(host_.store->add_app({app, 1}));
    ReleaseDetails details;
    details.config = config;
    Release release{app, 1, "digest", "folder", "build", details.to_text(), 0, 1};
    ASSERT_TRUE(host_.store->add_release(release));
    ASSERT_TRUE(host_.store->set_placement({app, 1, instance.empty() ? "" : app + "-" + instance}));
    fs::create_directories(host_.paths.code(app, "folder") / "site/static");
  }
  static app::Config engine() {
    app::Config config;
    config.web.kind = app::WebProcess::Kind::engine;
    config.paths = {"/"};
    return config;
  }
  json routes_of(const std::string& app) {
    EXPECT_TRUE(host_.routes.apply());
    return host_.front.entry(app);
  }

  Host host_{root_};
};

TEST_F(RoutesTest, AnEngineAppIsUpOnItsInstancesSocket) {
  auto config = engine();
  config.web.max_body = 1000;
  config.hosts = {"shop.example"};
  place("shop", config);
  ASSERT_TRUE(host_.store->add_domain("shop", "www.shop.example"));
  auto entry = routes_of("shop");
  EXPECT_EQ(entry["state"], "up");
  EXPECT_EQ(entry["upstream"], (json{{"unix", (root_ / "instances/shop-i/app.sock").string()}}));
  EXPECT_EQ(entry["hosts"], (json{"shop.example", "www.shop.example", "shop.localhost"}));
  EXPECT_EQ(entry["limits"], (json{{"max_body", 1000}, {"request_timeout", 30}, {"tunnel_idle", 3600}}));
  EXPECT_EQ(host_.routes.urls("shop", config).value().front(), "http://shop.example:8080");
}

TEST_F(RoutesTest, WhatAnAppTakesAtATimeIsItsOwnLimit) {
  auto config = engine();
  config.web.max_in_flight = 40;
  place("shop", config);
  EXPECT_EQ(routes_of("shop")["limits"]["max_in_flight"], 40);
}

TEST_F(RoutesTest, AnOwnServerIsReachedOnItsPortOneClientPerConnection) {
  auto config = engine();
  config.web.kind = app::WebProcess::Kind::own;
  place("shop", config);
  environment::Launch launch;
  host_.environment.answer = 0;
  environment::InstanceSpec spec;
  spec.id = "shop-i";
  spec.port = 4711;
  ASSERT_TRUE(host_.environment.start(spec, launch));
  auto entry = routes_of("shop");
  EXPECT_EQ(entry["upstream"], (json{{"tcp", "127.0.0.1:4711"}}));
  EXPECT_EQ(entry["pooling"], "per_client");
  ASSERT_TRUE(host_.environment.destroy("shop-i"));
  EXPECT_EQ(routes_of("shop")["state"], "hold");
}

TEST_F(RoutesTest, AStoppedAppKeepsItsHostsAndAHeldOneWaits) {
  place("shop", engine(), "");
  EXPECT_EQ(routes_of("shop")["state"], "stopped");
  EXPECT_FALSE(routes_of("shop").contains("upstream"));
  host_.routes.hold("shop");
  EXPECT_EQ(routes_of("shop")["state"], "hold");
  host_.routes.resume("shop");
  EXPECT_EQ(routes_of("shop")["state"], "stopped");
}

TEST_F(RoutesTest, GenerationsGrow) {
  ASSERT_TRUE(host_.routes.apply());
  auto first = host_.front.table["generation"].get<std::uint64_t>();
  ASSERT_TRUE(host_.routes.apply());
  EXPECT_GT(host_.front.table["generation"].get<std::uint64_t>(), first);
}

TEST_F(RoutesTest, AHostOfAnotherAppIsLeftOutAndCostsNobodyHisRoutes) {
  auto greedy = engine();
  greedy.hosts = {"Shop.localhost", "mine.example", "domain.example"};
  place("greedy", greedy);
  place("shop", engine());
  ASSERT_TRUE(host_.store->add_domain("shop", "domain.example"));
  EXPECT_EQ(routes_of("greedy")["hosts"], (json{"mine.example", "greedy.localhost"}));
  EXPECT_EQ(routes_of("shop")["hosts"], (json{"domain.example", "shop.localhost"}));
  auto checked = host_.routes.check("greedy", greedy);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind(), base::Kind::conflict);
}

TEST_F(RoutesTest, TwoAppsMayServeDifferentPathsOfOneHost) {
  auto blog = engine(), shop = engine();
  blog.hosts = shop.hosts = {"www.example"};
  blog.paths = {"/blog/", "/blog"};
  place("blog", blog);
  place("shop", shop);
  EXPECT_TRUE(host_.routes.check("blog", blog));
  EXPECT_EQ(routes_of("blog")["paths"], (json{"/blog"}));
  EXPECT_EQ(routes_of("blog")["hosts"], (json{"www.example", "blog.localhost"}));
  EXPECT_EQ(routes_of("shop")["hosts"], (json{"www.example", "shop.localhost"}));
}

TEST_F(RoutesTest, PathsThatTheEdgeWouldRefuseAreLeftOut) {
  auto config = engine();
  config.paths = {"/a//b", "/a b", "/..", "/good"};
  place("shop", config);
  EXPECT_EQ(routes_of("shop")["paths"], (json{"/good"}));
  EXPECT_FALSE(host_.routes.check("shop", config));
}

TEST_F(RoutesTest, StaticFoldersThatLeadOutOfTheReleaseAreNotServed) {
  auto config = engine();
  config.static_files = {
      {"/static", "site/static"}, {"/linked", "inner"}, {"/out", "outer"}, {"/gone", "gone"}, {"/all", "self"}};
  place("shop", config);
  auto code = host_.paths.code("shop", "folder");
  fs::create_directory_symlink("site/static", code / "inner");
  fs::create_directory_symlink(root_ / "edge", code / "outer");
  fs::create_directories(root_ / "edge");
  fs::create_directory_symlink("..", code / "self");
  auto folder = fs::canonical(code / "site/static").string();
  EXPECT_EQ(routes_of("shop")["static"], (json{{{"prefix", "/linked"}, {"folder", folder}, {"immutable", false}},
                                               {{"prefix", "/static"}, {"folder", folder}, {"immutable", false}}}));
}

}  // namespace
}  // namespace control_plane
