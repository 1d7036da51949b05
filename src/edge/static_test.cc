#include <gmock/gmock.h>

#include "base/file.h"
#include "edge/test_support.h"

namespace edge::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct StaticTest : EdgeTest {
  App app{folder.path / "app.sock"};
  std::filesystem::path files = folder.path / "files";
  void SetUp() override {
    std::filesystem::create_directory(files);
    put("site.css", "body{}");
    put("big.bin", std::string(5000000, 'z'));
    EXPECT_TRUE(base::write_file_atomically(folder.path / "secret", "secret"));
    start();
    set_routes({mounted()});
  }
  void put(const std::string& name, std::string_view content) {
    EXPECT_TRUE(base::write_file_atomically(files / name, content));
  }
  nlohmann::json mounted(nlohmann::json more = nlohmann::json::object()) {
    auto app_route = route(app.path, {{"static", {{{"prefix", "/static/"}, {"folder", files.string()}}}}});
    app_route.merge_patch(more);
    return app_route;
  }
};

TEST_F(StaticTest, AFileIsServedWithoutTheApp) {
  auto client = connect();
  client->send("GET /static/site.css HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "body{}"), AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("text/css"),
                                               HasSubstr("content-length: 6"), HasSubstr("etag: ")));
  client->send("HEAD /static/site.css HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), AllOf(HasSubstr("content-length: 6"), testing::EndsWith("\r\n\r\n")));
  client->send("GET /static/site.css HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\nod"), StartsWith("HTTP/1.1 206 "));
  client->send("GET /static/site.css HTTP/1.1\r\nHost: h\r\nRange: bytes=100-\r\n\r\n");
  EXPECT_THAT(expect(*client, "\r\n\r\n"), StartsWith("HTTP/1.1 416 "));
  EXPECT_EQ(counters()["static"], 4);
  EXPECT_EQ(app.try_accept(), nullptr);
}

TEST_F(StaticTest, ALargeFileIsSentAsTheClientTakesIt) {
  auto client = connect();
  client->stop_reading();
  client->send("GET /static/big.bin HTTP/1.1\r\nHost: h\r\n\r\nGET /static/site.css HTTP/1.1\r\nHost: h\r\n\r\n");
  settle();
  client->read_on();
  ASSERT_TRUE(until([&] { return client->pump().ends_with("body{}"); }));
  EXPECT_EQ(std::ranges::count(client->take(), 'z'), 5000000);
}

TEST_F(StaticTest, AFileThatShrinksCutsTheAnswer) {
  auto client = connect();
  client->stop_reading();
  client->send("GET /static/big.bin HTTP/1.1\r\nHost: h\r\n\r\n");
  settle();
  std::filesystem::resize_file(files / "big.bin", 10);
  client->read_on();
  expect_end(*client);
  EXPECT_LT(client->take().size(), 5000000u);
}

TEST_F(StaticTest, WhatIsNoFileIsTheAppsRequest) {
  auto client = connect();
  std::unique_ptr<Wire> upstream;
  for (std::string_view target : {"/static/none", "/static/", "/static/../secret", "/static/%2e%2e/secret",
                                  "/static/..%2fsecret", "/staticsite.css"}) {
    client->send(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target));
    if (!upstream) upstream = accept(app);
    expect(*upstream, "GET");
    upstream->send("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_THAT(expect(*client, "\r\n\r\nno"), Not(HasSubstr("secret"))) << target;
  }
  client->send("POST /static/site.css HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  expect(*upstream, "POST");
}

TEST_F(StaticTest, FilesAreServedWhileTheAppIsOnHoldOrStopped) {
  for (auto state : {"hold", "stopped"}) {
    set_routes({mounted({{"state", state}})});
    auto client = connect();
    client->send("GET /static/site.css HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(*client, "body{}");
  }
}

TEST_F(StaticTest, AMissingFolderLeavesItsRequestsToTheApp) {
  set_routes({route(app.path, {{"static", {{{"prefix", "/static"}, {"folder", "/nowhere/at/all"}}}}})});
  auto client = connect();
  client->send("GET /static/site.css HTTP/1.1\r\nHost: h\r\n\r\n");
  expect(*accept(app), "GET /static/site.css");
}

}  // namespace
}  // namespace edge::test
