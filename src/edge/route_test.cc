#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "edge/route_parser.h"

namespace edge {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json app(std::string name, std::vector<std::string> hosts, std::vector<std::string> paths = {"/"}) {
  return {{"app", name}, {"hosts", hosts}, {"paths", paths}, {"state", "stopped"}};
}

RouteTable table(std::vector<json> apps) {
  auto parsed = parse_routes({{"type", "routes"}, {"generation", 1}, {"apps", apps}}, 1000);
  return std::move(*RouteTable::build(parsed->generation, std::move(parsed->apps)));
}

std::string found(const RouteTable& table, std::string_view host, std::string_view path = "/") {
  auto* app = table.find(host, path);
  return app ? app->name : "none";
}

TEST(RouteTableTest, AHostIsFoundInAnyCaseWithPortAndFinalDot) {
  auto routes = table({app("shop", {"Shop.Example"}), app("six", {"[::1]"})});
  EXPECT_EQ(found(routes, "shop.example"), "shop");
  EXPECT_EQ(found(routes, "SHOP.example:8080"), "shop");
  EXPECT_EQ(found(routes, "shop.example."), "shop");
  EXPECT_EQ(found(routes, "[::1]:80"), "six");
  EXPECT_EQ(found(routes, "shop.example.org"), "none");
  EXPECT_EQ(found(routes, ""), "none");
  EXPECT_EQ(found(routes, std::string(300, 'a')), "none");
}

TEST(RouteTableTest, TheMostExactHostWinsAndLessExactOnesAreTriedWhenNoPathFits) {
  auto routes =
      table({app("exact", {"a.b.c"}, {"/only"}), app("near", {"*.b.c"}), app("far", {"*.c"}), app("any", {"*"})});
  EXPECT_EQ(found(routes, "a.b.c", "/only/x"), "exact");
  EXPECT_EQ(found(routes, "a.b.c", "/other"), "near");
  EXPECT_EQ(found(routes, "x.y.b.c"), "near");
  EXPECT_EQ(found(routes, "z.c"), "far");
  EXPECT_EQ(found(routes, "c"), "any");
  EXPECT_EQ(found(routes, ""), "any");
}

TEST(RouteTableTest, TheLongestPrefixWinsAtSegmentBorders) {
  auto routes = table({app("root", {"h"}), app("blog", {"h"}, {"/blog/"}), app("deep", {"h"}, {"/blog/2026"})});
  EXPECT_EQ(found(routes, "h", "/"), "root");
  EXPECT_EQ(found(routes, "h", "/blog"), "blog");
  EXPECT_EQ(found(routes, "h", "/blogger"), "root");
  EXPECT_EQ(found(routes, "h", "/blog/2025"), "blog");
  EXPECT_EQ(found(routes, "h", "/blog/2026/x"), "deep");
  EXPECT_EQ(found(routes, "h", "*"), "root");
}

TEST(RouteTableTest, TwoAppsCannotClaimTheSamePlace) {
  auto parsed = parse_routes({{"generation", 1}, {"apps", {app("a", {"h"}), app("b", {"H"})}}}, 0);
  auto built = RouteTable::build(1, std::move(parsed->apps));
  EXPECT_EQ(built.error().describe(), "h/ is claimed by a and by b");
}

TEST(RouteParserTest, AFullAppIsReadWhole) {
  auto parsed = parse_routes(json::parse(R"({"type": "routes", "id": 4, "generation": 12, "apps": [{
      "app": "shop", "instance": "i-1", "hosts": ["shop.example", "*.shop.example"], "paths": ["/", "/x/"], "state": "up",
      "upstream": {"tcp": "127.0.0.1:9000"}, "pooling": "per_client",
      "split": {"percent": 10, "instance": "i-2", "upstream": {"unix": "/s"}},
      "static": [{"prefix": "/s", "folder": "/a"}, {"prefix": "/s/long", "folder": "/b", "immutable": true}],
      "limits": {"max_body": 10, "request_timeout": 5}, "hold": {"max_requests": 1, "max_bytes": 2, "timeout": 3}}]})"),
                             7);
  ASSERT_TRUE(parsed) << parsed.error().describe();
  const auto& shop = parsed->apps.at(0);
  EXPECT_EQ(parsed->generation, 12u);
  EXPECT_EQ(shop.upstream->endpoint.text(), "127.0.0.1:9000");
  EXPECT_EQ(shop.upstream->pooling, Pooling::per_client);
  EXPECT_EQ(shop.upstream->instance, "i-1");
  EXPECT_EQ(shop.split->percent, 10u);
  EXPECT_EQ(shop.split->upstream.instance, "i-2");
  EXPECT_EQ(shop.split->upstream.endpoint.text(), "unix:/s");
  EXPECT_EQ(shop.paths, (std::vector<std::string>{"", "/x"}));
  EXPECT_EQ(shop.statics.at(0).folder, "/b");
  EXPECT_TRUE(shop.statics.at(0).immutable);
  EXPECT_EQ(shop.max_body, 10u);
  EXPECT_EQ(shop.hold.timeout, std::chrono::seconds(3));
}

TEST(RouteParserTest, EveryMistakeNamesItsPlace) {
  auto mistake = [](std::string change) {
    auto message = json::parse(
        R"({"generation": 1, "apps": [{"app": "a", "hosts": ["h"], "state": "up", "upstream": {"unix": "/s"}}]})");
    message.merge_patch(json::parse(change));
    auto parsed = parse_routes(message, 0);
    return parsed ? "" : parsed.error().describe();
  };
  auto app_mistake = [&](std::string_view members) {
    return mistake(fmt::format(R"({{"apps": [{{"app": "a", "hosts": ["h"], "state": "stopped", {}}}]}})", members));
  };
  EXPECT_EQ(mistake("{}"), "");
  EXPECT_EQ(mistake("[]"), "routes: expected an object");
  EXPECT_EQ(mistake(R"({"generation": -1})"), "generation: expected a whole number of 0 or more");
  EXPECT_EQ(mistake(R"({"generation": null})"), "generation: is missing");
  EXPECT_EQ(mistake(R"({"apps": null})"), "apps: is missing");
  EXPECT_EQ(mistake(R"({"apps": {}, "x": 1})"), "apps: expected a list");
  EXPECT_EQ(mistake(R"({"extra": 1})"), "extra: is no known key");
  EXPECT_EQ(mistake(R"({"apps": [1]})"), "apps[0]: expected an object");
  EXPECT_EQ(mistake(R"({"apps": [{"state": "stopped"}]})"), "apps[0].app: is missing");
  EXPECT_EQ(mistake(R"({"apps": [{"app": "a", "state": "stopped"}, {"app": "a", "state": "stopped"}]})"),
            "apps[1].app: occurs twice");
  EXPECT_EQ(mistake(R"({"apps": [{"app": "a", "state": "up"}]})"),
            "apps[0].upstream: is missing for an app that is up");
  EXPECT_EQ(app_mistake(R"("hosts": "h")"), "apps[0].hosts: expected a list");
  for (auto host : {"", "h:80", "a..b", ".a", "a/b", "*a.b", "*.", "é"}) {
    EXPECT_THAT(app_mistake(fmt::format(R"("hosts": ["ok", "{}"])", host)),
                HasSubstr("apps[0].hosts[1]: expected a host"))
        << host;
  }
  for (auto path : {"", "x", "/a b", "/a?b", "/a/../b", "//a", "/a/.", "/a#b"}) {
    EXPECT_THAT(app_mistake(fmt::format(R"("paths": ["{}"])", path)), HasSubstr("apps[0].paths[0]: expected a path"))
        << path;
  }
  EXPECT_EQ(app_mistake(R"("state": "asleep")"), "apps[0].state: expected up, hold or stopped");
  EXPECT_EQ(app_mistake(R"("pooling": "none")"), "apps[0].pooling: expected shared or per_client");
  EXPECT_EQ(app_mistake(R"("upstream": {})"), "apps[0].upstream: expected either \"unix\" or \"tcp\"");
  EXPECT_THAT(app_mistake(R"("upstream": {"tcp": "example.org:80"})"), HasSubstr("no literal IPv4"));
  EXPECT_THAT(app_mistake(R"("upstream": {"tcp": "80"})"), HasSubstr("apps[0].upstream.tcp: 80 is no address"));
  EXPECT_THAT(app_mistake(fmt::format(R"("upstream": {{"unix": "/{}"}})", std::string(200, 'x'))),
              HasSubstr("longer than"));
  EXPECT_EQ(app_mistake(R"("static": [{"prefix": "/s", "folder": "rel"}])"),
            "apps[0].static[0].folder: expected an absolute path");
  EXPECT_EQ(app_mistake(R"("static": [{"prefix": "s", "folder": "/f"}])"),
            "apps[0].static[0].prefix: expected a path such as /static");
  EXPECT_EQ(app_mistake(R"("static": [{"prefix": "/s", "folder": "/f", "immutable": 1}])"),
            "apps[0].static[0].immutable: expected true or false");
  EXPECT_EQ(app_mistake(R"("limits": {"max_body": "1"})"),
            "apps[0].limits.max_body: expected a whole number of 0 or more");
  EXPECT_EQ(app_mistake(R"("limits": {"bodies": 1})"), "apps[0].limits.bodies: is no known key");
  EXPECT_EQ(app_mistake(R"("hold": {"timeout": 100000})"), "apps[0].hold.timeout: expected at most 86400 seconds");
  for (auto percent : {"0", "100"}) {
    EXPECT_EQ(app_mistake(fmt::format(R"("split": {{"percent": {}, "upstream": {{"unix": "/s"}}}})", percent)),
              "apps[0].split.percent: expected a number from 1 to 99");
  }
  EXPECT_EQ(app_mistake(R"("split": {"percent": 5})"), "apps[0].split.upstream: is missing");
  EXPECT_EQ(app_mistake(R"("split": {"percent": 5, "upstream": {"unix": "/s"}, "x": 1})"),
            "apps[0].split.x: is no known key");
  EXPECT_EQ(app_mistake(R"("instance": 7)"), "apps[0].instance: expected a text");
}

}  // namespace
}  // namespace edge
