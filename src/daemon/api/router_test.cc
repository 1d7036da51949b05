#include "daemon/api/router.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/api/resources.h"
#include "daemon/fixture_test.h"

namespace control_plane::api {
namespace {

struct Answer {
  int status = 0;
  json body;
};

// One request over a socket pair.
Answer ask(const Router& router, const std::string& request) {
  auto sockets = base::socketpair(SOCK_STREAM);
  EXPECT_TRUE(sockets);
  EXPECT_TRUE(base::write_all(sockets->theirs.get(), request));
  {
    Exchange exchange(std::move(sockets->ours), 0);
    auto asked = exchange.read_head();
    if (!asked)
      exchange.answer(asked.error());
    else if (*asked)
      router.serve(exchange);
  }
  auto text = base::read_all(sockets->theirs.get(), 1 << 20).value_or("");
  auto body = text.find("\r\n\r\n");
  if (text.size() < 12 || body == std::string::npos) return {};
  return {std::stoi(text.substr(9, 3)), json::parse(text.substr(body + 4), nullptr, false)};
}

std::string request(const std::string& method, const std::string& path, const std::string& body = "") {
  return fmt::format("{} {} HTTP/1.1\r\nHost: serai\r\nContent-Length: {}\r\n\r\n{}", method, path, body.size(), body);
}

TEST(RouterTest, EveryKindOfErrorHasItsStatusAndSaysWhatToDo) {
  const std::pair<base::Kind, int> table[] = {
      {base::Kind::invalid, 400}, {base::Kind::not_found, 404},   {base::Kind::conflict, 409},
      {base::Kind::denied, 403},  {base::Kind::unavailable, 503}, {base::Kind::internal, 500},
  };
  for (auto [kind, status] : table) {
    Router router;
    router.add("GET", "/v1/thing", [kind = kind](Exchange&, const Parameters&) -> Result<json> {
      return std::unexpected(base::Error(kind, "it failed", "try this").add_context("doing that"));
    });
    auto answer = ask(router, request("GET", "/v1/thing"));
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body["kind"], base::kind_facts(kind).name);
    EXPECT_EQ(answer.body["message"], "it failed");
    EXPECT_EQ(answer.body["advice"], "try this");
    EXPECT_EQ(answer.body["contexts"], json{"doing that"});
  }
}

TEST(RouterTest, ParametersAreDecodedAndUnknownPathsAndMethodsAreTold) {
  Router router;
  router.add("PUT", "/v1/apps/{app}/domains/{host}", [](Exchange&, const Parameters& at) -> Result<json> {
    return json{{"app", at.find("app")->second}, {"host", at.find("host")->second}};
  });
  EXPECT_EQ(ask(router, request("PUT", "/v1/apps/shop/domains/%2A.example")).body,
            (json{{"app", "shop"}, {"host", "*.example"}}));
  EXPECT_EQ(ask(router, request("GET", "/v1/apps/shop/domains/a")).status, 405);
  EXPECT_EQ(ask(router, request("PUT", "/v1/apps/shop/domains")).status, 404);
  EXPECT_EQ(ask(router, request("PUT", "/v1/apps/shop/domains/%zz")).status, 404);
}

class ApiTest : public testing_support::HostTest {
 protected:
  ApiTest() { add_all(router_, resources_); }

  testing_support::Host host_{root_};
  Trials trials_{host_.services};
  Resources resources_{host_.services, host_.deploys, trials_, [](bool) {}};
  Router router_;
};

TEST_F(ApiTest, AnAppThatIsNotThereIsNotFoundEverywhere) {
  const std::pair<const char*, const char*> table[] = {
      {"GET", ""},           {"GET", "/releases"},         {"GET", "/config"}, {"GET", "/limits"},
      {"GET", "/env"},       {"GET", "/domains"},          {"GET", "/logs"},   {"POST", "/stop"},
      {"POST", "/restart"},  {"POST", "/start"},           {"DELETE", ""},     {"POST", "/rollback"},
      {"PUT", "/domains/a"}, {"DELETE", "/domains/a.org"}, {"POST", "/env"},
  };
  for (auto app : {"nobody", "..%2F..%2Fetc", "%2E%2E"}) {
    for (auto [method, rest] : table) {
      EXPECT_EQ(ask(router_, request(method, fmt::format("/v1/apps/{}{}", app, rest))).status, 404) << method << rest;
    }
  }
  EXPECT_EQ(ask(router_, request("GET", "/v1/deploys/nothing/events")).status, 404);
}

TEST_F(ApiTest, BodiesOfTheWrongShapeAreTheClientsMistake) {
  for (auto body : {"[]", "{", "7", R"({"app": 7})", R"({"env": {"A": 1}})",
                    R"({"app": "shop", "upload": "../../etc/x"})", R"({"app": "shop", "upload": "aaaaaaaaaaaa"})"}) {
    EXPECT_EQ(ask(router_, request("POST", "/v1/deploys", body)).status, 400) << body;
  }
  EXPECT_EQ(ask(router_, request("POST", "/v1/apps/shop/rollback", R"({"release": "one"})")).status, 400);
  EXPECT_EQ(ask(router_, request("POST", "/v1/apps/shop/run", R"({"argv": ["ls"]})")).status, 400);  // no descriptors
}

TEST_F(ApiTest, ADomainOfAnotherAppIsRefused) {
  for (std::string app : {"shop", "blog"}) {
    auto routes = fmt::format("[routes]\nhosts = [\"www.{}.example\"]\n", app);
    auto id = upload({{"Procfile", "web: ./server\n"}, {"server", "#!/bin/sh\n"}, {"serai.toml", routes}});
    ASSERT_EQ(host_.finish(host_.deploys.deploy({.app = app, .upload = id}))["event"], "done");
  }
  auto add = [&](const std::string& app, const std::string& host) {
    return ask(router_, request("PUT", fmt::format("/v1/apps/{}/domains/{}", app, host)));
  };
  for (auto host : {"blog.localhost", "WWW.blog.example"}) EXPECT_EQ(add("shop", host).status, 409) << host;
  EXPECT_EQ(host_.store->domains("shop").value(), std::vector<std::string>{});
  for (auto host : {"free.example", "www.shop.example"}) EXPECT_EQ(add("shop", host).status, 200) << host;
  EXPECT_EQ(add("blog", "free.example").status, 409);
}

TEST_F(ApiTest, AnUploadIsKeptUnderItsIdForRootOnly) {
  auto answer = ask(router_, request("POST", "/v1/uploads", "bytes"));
  ASSERT_EQ(answer.status, 200);
  auto archive = root_ / "uploads" / answer.body["upload"].get<std::string>() / "archive";
  EXPECT_EQ(std::filesystem::file_size(archive), 5u);
  EXPECT_EQ(std::filesystem::status(archive).permissions(), std::filesystem::perms(0600));
}

TEST_F(ApiTest, AnUploadThatBreaksOffLeavesNothing) {
  auto sockets = base::socketpair(SOCK_STREAM);
  ASSERT_TRUE(base::write_all(sockets->theirs.get(),
                              "POST /v1/uploads HTTP/1.1\r\nHost: serai\r\nContent-Length: 9\r\n\r\nhalf"));
  sockets->theirs.close();
  Exchange exchange(std::move(sockets->ours), 0);
  ASSERT_TRUE(exchange.read_head());
  router_.serve(exchange);
  EXPECT_TRUE(names("uploads").empty());
}

}  // namespace
}  // namespace control_plane::api
