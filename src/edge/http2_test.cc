#include <gmock/gmock.h>

#include <thread>

#include "base/file.h"
#include "edge/test_support.h"
#include "http/h2/test_client.h"
#include "websocket/handshake.h"

namespace edge::test {
namespace {

using http::StreamId;
using http::h2::test::Fields;
using http::h2::test::get;
using http::h2::test::post;
using http::h2::test::Reply;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

// A client that speaks HTTP/2 with prior knowledge.
class Http2Wire {
 public:
  Http2Wire(std::unique_ptr<Wire> its_wire, const http::h2::test::ClientOptions& chosen)
      : wire(std::move(its_wire)), client(chosen) {}
  // Bytes both ways, as far as they go now.
  void turn() {
    unsent_ += client.output();
    while (!unsent_.empty() && wire->try_send(std::string_view(unsent_).substr(0, kPiece)))
      unsent_.erase(0, std::min(kPiece, unsent_.size()));
    client.input(wire->take());
  }
  Reply& operator[](StreamId stream) { return client.replies[stream]; }

  std::unique_ptr<Wire> wire;
  http::h2::test::Client client;

 private:
  static constexpr std::size_t kPiece = 2048;
  std::string unsent_;
};

struct Http2Test : EdgeTest {
  App app{folder.path / "app.sock"};

  void SetUp() override { begin(); }
  void begin(nlohmann::json more = nlohmann::json::object()) {
    server.reset();
    start();
    set_routes({route(app.path, std::move(more))});
  }
  std::unique_ptr<Http2Wire> speak(const http::h2::test::ClientOptions& chosen = {}) {
    return std::make_unique<Http2Wire>(connect(), chosen);
  }
  template <typename Condition>
  bool until(Http2Wire& wire, Condition condition) {
    return EdgeTest::until([&] {
      wire.turn();
      return condition();
    });
  }
  using EdgeTest::until;
  Reply& answer(Http2Wire& wire, StreamId stream) {
    EXPECT_TRUE(until(wire, [&] { return wire[stream].closed || wire.wire->is_ended(); }));
    return wire[stream];
  }
  std::string request_of(Http2Wire& wire, Wire& upstream, std::string_view text = "\r\n\r\n") {
    EXPECT_TRUE(until(wire, [&] { return upstream.pump().find(text) != std::string::npos; }));
    return upstream.take();
  }
  std::unique_ptr<Wire> accept(Http2Wire& wire) {
    std::unique_ptr<Wire> upstream;
    EXPECT_TRUE(until(wire, [&] { return (upstream = app.try_accept()) != nullptr; })) << "the edge did not connect";
    return upstream ? std::move(upstream) : std::make_unique<Wire>(base::Fd());
  }
};

TEST_F(Http2Test, RequestsOfOneConnectionAreAnsweredAsTheyAreReady) {
  auto client = speak();
  auto first = client->client.request(get("/first")), second = client->client.request(get("/second"));
  auto one = accept(*client), two = accept(*client);
  EXPECT_THAT(request_of(*client, *one),
              AllOf(StartsWith("GET /first HTTP/1.1\r\nhost: a.test\r\n"), HasSubstr("x-forwarded-proto: http\r\n")));
  EXPECT_THAT(request_of(*client, *two), StartsWith("GET /second "));
  two->send("HTTP/1.1 201 Created\r\nContent-Length: 3\r\nX-Own: 1\r\nConnection: keep-alive\r\n\r\ntwo");
  auto& reply = answer(*client, second);
  EXPECT_EQ(reply[":status"], "201");
  EXPECT_EQ(reply["x-own"], "1");
  EXPECT_EQ(reply["connection"], "(none)");
  EXPECT_EQ(reply.body, "two");
  EXPECT_FALSE((*client)[first].closed);
  EXPECT_EQ(counters()["in_flight"], 1);
  one->send(kOk);
  EXPECT_EQ(answer(*client, first).body, "hi");
  EXPECT_EQ(counters()["requests"], 2);
}

TEST_F(Http2Test, ThePrefaceMayComeByteByByteAndPlainRequestsThatBeginAlikeAreServed) {
  auto wire = connect();
  for (char byte : http::h2::test::opening()) {
    wire->send(std::string_view(&byte, 1));
    settle();
  }
  EXPECT_TRUE(until([&] { return wire->pump().size() > 9; }));  // our settings
  EXPECT_EQ(wire->take()[3], 4);
  auto plain = connect();
  for (std::string_view piece : {"PR", "OPFIND / HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    plain->send(piece);
    settle();
  }
  auto upstream = EdgeTest::accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), StartsWith("PROPFIND / "));
}

TEST_F(Http2Test, ABodyStreamsToTheAppAndItsTrailersEndIt) {
  auto client = speak();
  auto stream = client->client.request(post("/upload"), "one", true);
  auto upstream = accept(*client);
  EXPECT_THAT(request_of(*client, *upstream, "one"), HasSubstr("transfer-encoding: chunked\r\n"));
  client->client.send(stream, "two", true);
  EXPECT_THAT(request_of(*client, *upstream, "0\r\n\r\n"), HasSubstr("two"));
  upstream->send(kOk);
  EXPECT_EQ(answer(*client, stream)[":status"], "200");
}

TEST_F(Http2Test, AnUploadIsReadOnlyAsFastAsTheAppTakesIt) {
  auto client = speak();
  const std::string large(8 << 20, 'x');
  auto stream = client->client.request(post("/", {{"content-length", std::to_string(large.size())}}), large);
  auto upstream = accept(*client);
  upstream->stop_reading();
  for (int i = 0; i < 1000; i++) {
    client->turn();
    loop->turn(milliseconds(0));
  }
  auto id = static_cast<std::int32_t>(stream);
  EXPECT_EQ(nghttp2_session_get_stream_remote_window_size(client->client.get(), id), 0) << "and not opened again";
  upstream->read_on();
  std::string request;
  EXPECT_TRUE(until(*client, [&] {
    request += upstream->take();
    return request.ends_with(large);
  }));
  upstream->send(kOk);
  EXPECT_EQ(answer(*client, stream).body, "hi");
}

TEST_F(Http2Test, AnAppIsReadOnlyAsFastAsItsClientTakesTheAnswerAndOtherStreamsGoOn) {
  auto client = speak({.takes_body = false});
  auto slow = client->client.request(get("/slow"));
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
  const std::string piece(4096, 'x');
  std::size_t sent = 0;
  auto push = [&] {
    while (sent < 8388608 && upstream->try_send(piece)) sent += piece.size();
  };
  for (int i = 0; i < 300; i++) {
    push();
    client->turn();
    loop->turn(milliseconds(0));
  }
  EXPECT_EQ((*client)[slow].body.size(), 65535u) << "as much as the window allows";
  EXPECT_LT(sent, 2u << 20) << "the app waits";
  auto other = client->client.request({{":method", "HEAD"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}});
  auto beside = accept(*client);
  request_of(*client, *beside);
  beside->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(answer(*client, other)["content-length"], "5");
  nghttp2_submit_window_update(client->client.get(), NGHTTP2_FLAG_NONE, 0, 16 << 20);
  nghttp2_submit_window_update(client->client.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(slow), 16 << 20);
  EXPECT_TRUE(until(*client, [&] {
    push();
    return (*client)[slow].closed;
  }));
  EXPECT_EQ((*client)[slow].body.size(), 8388608u);
}

TEST_F(Http2Test, AResetCutsTheRequestWithTheApp) {
  auto client = speak();
  auto stream = client->client.request(get("/"));
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  nghttp2_submit_rst_stream(client->client.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), NGHTTP2_CANCEL);
  EXPECT_TRUE(until(*client, [&] { return upstream->is_ended(); }));
  EXPECT_EQ(counters()["aborted"], 1);
  EXPECT_EQ(counters()["in_flight"], 0);
  auto next = client->client.request(get("/"));
  auto again = accept(*client);
  request_of(*client, *again);
  again->send(kOk);
  EXPECT_EQ(answer(*client, next).body, "hi");
}

TEST_F(Http2Test, AClientThatLeavesCutsAllItsRequests) {
  auto client = speak();
  client->client.request(get("/1"));
  client->client.request(post("/2"), "body", true);
  auto one = accept(*client), two = accept(*client);
  request_of(*client, *one), request_of(*client, *two);
  client->wire->close();
  expect_end(*one);
  expect_end(*two);
  EXPECT_EQ(counters()["aborted"], 2);
  EXPECT_EQ(server->counters()["connections"], 0);
}

TEST_F(Http2Test, AnAnswerThatBreaksOffResetsItsStreamOnly) {
  auto client = speak();
  auto broken = client->client.request(get("/1")), good = client->client.request(get("/2"));
  auto one = accept(*client), two = accept(*client);
  request_of(*client, *one), request_of(*client, *two);
  one->send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_TRUE(until(*client, [&] { return (*client)[broken].body == "half"; }));
  one->close();
  auto& reply = answer(*client, broken);
  EXPECT_FALSE(reply.ended);
  EXPECT_EQ(reply.code, static_cast<std::uint32_t>(NGHTTP2_INTERNAL_ERROR));
  two->send(kOk);
  EXPECT_EQ(answer(*client, good).body, "hi");
}

TEST_F(Http2Test, EarlyHintsAndTrailersPass) {
  auto client = speak();
  auto stream = client->client.request(get("/", {{"te", "trailers"}}));
  auto upstream = accept(*client);
  EXPECT_THAT(request_of(*client, *upstream), HasSubstr("te: trailers\r\n"));
  upstream->send(
      "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n");
  auto& reply = answer(*client, stream);
  ASSERT_EQ(reply.interim.size(), 1u);
  EXPECT_THAT(reply.interim[0], testing::Contains(testing::Pair("link", "</a.css>")));
  EXPECT_EQ(reply.body, "hi");
  EXPECT_THAT(reply.trailers, testing::Contains(testing::Pair("x-sum", "1")));
}

TEST_F(Http2Test, FilesComeWholeAndInParts) {
  const std::string content(3 << 20, 'f');
  ASSERT_TRUE(base::make_folders(folder.path / "files"));
  ASSERT_TRUE(base::write_file_atomically(folder.path / "files" / "large.bin", content));
  begin({{"static", {{{"prefix", "/static/"}, {"folder", (folder.path / "files").string()}}}}});
  auto client = speak();
  auto whole = client->client.request(get("/static/large.bin"));
  auto part = client->client.request(get("/static/large.bin", {{"range", "bytes=1-3"}}));
  auto head = client->client.request(
      {{":method", "HEAD"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/static/large.bin"}});
  EXPECT_EQ(answer(*client, whole).body, content);
  EXPECT_EQ(answer(*client, part)[":status"], "206");
  EXPECT_EQ(answer(*client, part).body, "fff");
  EXPECT_EQ(answer(*client, head)["content-length"], std::to_string(content.size()));
  EXPECT_EQ(counters()["static"], 3);
}

// Descriptors of this process that are open files of this name.
std::size_t count_open(const std::filesystem::path& file) {
  std::size_t count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count += std::filesystem::read_symlink(entry.path(), ignored) == file;
  return count;
}

struct Http2FileTest : Http2Test {
  std::filesystem::path file = folder.path / "files" / "large.bin";
  static constexpr std::int32_t kMuch = 64 << 20;

  void SetUp() override {
    ASSERT_TRUE(base::make_folders(file.parent_path()));
    ASSERT_TRUE(base::write_file_atomically(file, std::string(8 << 20, 'f')));
    begin({{"static", {{{"prefix", "/static/"}, {"folder", file.parent_path().string()}}}}});
  }
  static void open_window(Http2Wire& wire, StreamId stream) {
    nghttp2_submit_window_update(wire.client.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), kMuch);
  }
};

TEST_F(Http2FileTest, ALargeFileThatIsNotTakenHoldsNoOtherAnswerUp) {
  auto client = speak({.takes_body = false});
  open_window(*client, 0);
  auto file_stream = client->client.request(get("/static/large.bin"));
  EXPECT_TRUE(until(*client, [&] { return (*client)[file_stream].body.size() == 65535; }));
  auto other = client->client.request(get("/"));
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  open_window(*client, other);
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 150000\r\n\r\n" + std::string(150000, 'x'));
  EXPECT_EQ(answer(*client, other).body.size(), 150000u);
  EXPECT_FALSE((*client)[file_stream].closed);
}

TEST_F(Http2FileTest, AnAnswerThatAwaitsItsTurnIsNotGivenUp) {
  options.timeouts.write = milliseconds(100);
  SetUp();
  auto client = speak({.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kMuch}}, .takes_body = false});
  auto first = client->client.request(get("/static/large.bin", {{"priority", "u=1"}}));
  auto second = client->client.request(get("/static/large.bin", {{"priority", "u=6"}}));
  EXPECT_TRUE(until(*client, [&] { return (*client)[first].body.size() + (*client)[second].body.size() == 65535; }));
  for (int i = 0; i < 60; i++) {  // slowly, and long enough for a stream that gets nothing to be given up
    nghttp2_submit_window_update(client->client.get(), NGHTTP2_FLAG_NONE, 0, 4096);
    client->turn();
    loop->turn(milliseconds(0));
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_GT((*client)[first].body.size(), 200000u);
  EXPECT_FALSE((*client)[second].closed);
  open_window(*client, 0);
  EXPECT_EQ(answer(*client, second).body.size(), 8u << 20);
  EXPECT_EQ(answer(*client, first).body.size(), 8u << 20);
}

TEST_F(Http2FileTest, OfAnAnswerThatIsCutWhatWasSentCounts) {
  auto client = speak({.takes_body = false});
  auto stream = client->client.request(get("/static/large.bin"));
  EXPECT_TRUE(until(*client, [&] { return (*client)[stream].body.size() == 65535; }));
  nghttp2_submit_rst_stream(client->client.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), NGHTTP2_CANCEL);
  EXPECT_TRUE(until(*client, [&] { return counters()["aborted"] == 1; }));
  EXPECT_EQ(counters()["bytes_out"], 65535);
}

TEST_F(Http2FileTest, AClientThatEndsItsSideKeepsNoMoreFilesOpenThanItsConnectionCountsFor) {
  auto client = speak({.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 64 << 20}}});
  open_window(*client, 0);
  for (int i = 0; i < 10; i++) client->client.request(get("/static/large.bin"));
  client->turn();
  client->wire->stop_reading();
  EXPECT_TRUE(until(*client, [&] { return counters()["in_flight"] == 10; }));
  EXPECT_EQ(count_open(file), 10u);
  client->wire->half_close();
  EXPECT_TRUE(until(*client, [&] { return counters()["in_flight"] == 0; }));
  EXPECT_LE(count_open(file), 1u);
}

TEST_F(Http2Test, ABodyThatGrowsTooLargeBehindTheHeadOfTheAnswerBreaksThatOff) {
  begin({{"limits", {{"max_body", 10}}}});
  auto client = speak();
  auto stream = client->client.request(post("/"), "first", true);
  auto upstream = accept(*client);
  request_of(*client, *upstream, "first");
  upstream->send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  EXPECT_TRUE(until(*client, [&] { return (*client)[stream].body == "half"; }));
  client->client.send(stream, "much too much");
  auto& reply = answer(*client, stream);
  EXPECT_FALSE(reply.ended);
  EXPECT_NE(reply.code, static_cast<std::uint32_t>(NGHTTP2_NO_ERROR)) << "it must not look whole";
}

TEST_F(Http2Test, IdleConnectionsToAnOwnServerEndThoughOtherRequestsGoOn) {
  options.timeouts.own_server_idle = milliseconds(50);
  begin({{"pooling", "per_client"}});
  auto client = speak();
  client->client.request(get("/long"));
  auto busy = accept(*client);
  request_of(*client, *busy);
  auto brief = client->client.request(get("/brief"));
  auto idle = accept(*client);
  request_of(*client, *idle);
  idle->send(kOk);
  EXPECT_EQ(answer(*client, brief).body, "hi");
  EXPECT_TRUE(until(*client, [&] { return idle->is_ended(); }));
  EXPECT_FALSE(busy->is_ended());
}

TEST_F(Http2Test, RefusalsAreAnsweredOnTheirStreams) {
  begin({{"limits", {{"max_body", 10}}}, {"hosts", {"a.test"}}});
  auto client = speak();
  auto elsewhere =
      client->client.request({{":method", "GET"}, {":scheme", "http"}, {":authority", "b.test"}, {":path", "/"}});
  auto declared = client->client.request(post("/", {{"content-length", "11"}}), "01234567890");
  auto streamed = client->client.request(post("/"), "01234567890");
  EXPECT_EQ(answer(*client, elsewhere)[":status"], "404");
  EXPECT_EQ(answer(*client, declared)[":status"], "413");
  EXPECT_EQ(answer(*client, streamed)[":status"], "413");
  auto strange = client->client.request(get("/", {{"bad name", "x"}}));
  auto& reply = answer(*client, strange);
  EXPECT_TRUE(reply[":status"] == "400" || reply.code == NGHTTP2_PROTOCOL_ERROR);
}

TEST_F(Http2Test, ABodyThatComesTooSlowlyIsAnswered) {
  options.timeouts.body_gap = milliseconds(50);
  begin();
  auto client = speak();
  auto stream = client->client.request(post("/"), "a", true);
  auto upstream = accept(*client);
  EXPECT_EQ(answer(*client, stream)[":status"], "408");
  EXPECT_TRUE(until(*client, [&] { return upstream->is_ended(); }));
}

TEST_F(Http2Test, AStreamWhoseAnswerIsNotTakenIsGivenUpThoughOthersAreRead) {
  options.timeouts.write = milliseconds(100);
  begin();
  auto client = speak({.takes_body = false});
  auto stream = client->client.request(get("/"));
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  upstream->send("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + std::string(90000, 'x'));
  auto& reply = answer(*client, stream);
  EXPECT_FALSE(reply.ended);
  EXPECT_EQ(reply.code, static_cast<std::uint32_t>(NGHTTP2_CANCEL));
  EXPECT_EQ(counters()["aborted"], 1);
}

TEST_F(Http2Test, IdleAndHalfBegunConnectionsEnd) {
  options.timeouts.keep_alive = options.timeouts.head = milliseconds(50);
  begin();
  auto silent = speak(), used = speak();
  auto stream = used->client.request(get("/"));
  auto upstream = accept(*used);
  request_of(*used, *upstream);
  for (int i = 0; i < 20; i++) loop->turn(milliseconds(10));  // longer than an idle one has
  EXPECT_FALSE(used->wire->is_ended());
  upstream->send(kOk);
  EXPECT_EQ(answer(*used, stream).body, "hi");
  EXPECT_TRUE(until(*used, [&] { return used->wire->is_ended(); }));
  EXPECT_EQ(used->client.goaways, std::vector<std::uint32_t>{NGHTTP2_NO_ERROR});
  EXPECT_TRUE(until(*silent, [&] { return silent->wire->is_ended(); }));
}

TEST_F(Http2Test, ADrainLetsRequestsFinishAndEndsTheConnection) {
  auto client = speak();
  auto stream = client->client.request(get("/"));
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  bool drained = false;
  server->on_drained([&] { drained = true; });
  server->drain(std::chrono::seconds(20));
  EXPECT_TRUE(until(*client, [&] { return !client->client.goaways.empty(); }));
  upstream->send(kOk);
  EXPECT_EQ(answer(*client, stream).body, "hi");
  EXPECT_TRUE(until(*client, [&] { return client->wire->is_ended(); }));
  client->wire->close();
  EXPECT_TRUE(EdgeTest::until([&] { return drained; }));
}

TEST_F(Http2Test, OneAddressCannotHaveMoreRequestsThanItsShare) {
  options.max_connections_per_address = 3;
  begin();
  auto client = speak();
  std::vector<StreamId> streams;
  std::vector<std::unique_ptr<Wire>> upstreams;
  for (int i = 0; i < 3; i++) {
    streams.push_back(client->client.request(get("/")));
    upstreams.push_back(accept(*client));
    request_of(*client, *upstreams.back());
  }
  auto refused = client->client.request(get("/"));
  EXPECT_EQ(answer(*client, refused)[":status"], "503");
  upstreams[1]->send(kOk);
  EXPECT_EQ(answer(*client, streams[1]).body, "hi");
  auto next = client->client.request(get("/"));
  request_of(*client, *upstreams[1]);
  upstreams[1]->send(kOk);
  EXPECT_EQ(answer(*client, next).body, "hi");
}

TEST_F(Http2Test, AFloodOfResetsEndsTheConnection) {
  auto client = speak();
  for (int i = 0; i < 300 && client->client.goaways.empty(); i++) {
    auto stream = static_cast<std::int32_t>(client->client.request(get("/")));
    client->turn();
    nghttp2_submit_rst_stream(client->client.get(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    client->turn();
    loop->turn(milliseconds(0));
  }
  EXPECT_TRUE(until(*client, [&] { return !client->client.goaways.empty(); }));
  EXPECT_EQ(client->client.goaways.back(), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  EXPECT_EQ(counters()["in_flight"], 0);
}

TEST_F(Http2Test, HeldRequestsAreReleasedTogether) {
  set_routes({route(app.path, {{"state", "hold"}})});
  auto client = speak();
  auto one = client->client.request(post("/1"), "body of one"), two = client->client.request(get("/2"));
  EXPECT_TRUE(until(*client, [&] { return counters()["held"] == 2; }));
  set_routes({route(app.path)});
  auto first = accept(*client), second = accept(*client);
  for (auto* upstream : {first.get(), second.get()}) {
    auto request = request_of(*client, *upstream);
    EXPECT_TRUE(request.starts_with("GET /2") || request.find("body of one") != request.npos ||
                request_of(*client, *upstream, "body of one") != "");
    upstream->send(kOk);
  }
  EXPECT_EQ(answer(*client, one).body, "hi");
  EXPECT_EQ(answer(*client, two).body, "hi");
}

// --- WebSocket over HTTP/2 ------------------------------------------------------------------------------------------

Fields websocket() {
  return {{":method", "CONNECT"},         {":protocol", "websocket"}, {":scheme", "http"},
          {":authority", "a.test"},       {":path", "/chat"},         {"origin", "http://a.test"},
          {"sec-websocket-version", "13"}};
}

std::string key_of(const std::string& request) {
  constexpr std::string_view name = "sec-websocket-key: ";
  auto from = request.find(name);
  return from == request.npos ? "" : request.substr(from + name.size(), 24);
}

TEST_F(Http2Test, AWebSocketBecomesAnUpgradeOfTheApp) {
  auto client = speak();
  auto stream = client->client.request(websocket(), {}, true);
  auto upstream = accept(*client);
  auto request = request_of(*client, *upstream);
  EXPECT_THAT(request, AllOf(StartsWith("GET /chat HTTP/1.1\r\nhost: a.test\r\n"),
                             HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"),
                             HasSubstr("sec-websocket-version: 13\r\n"), HasSubstr("origin: http://a.test\r\n"),
                             Not(HasSubstr("transfer-encoding"))));
  upstream->send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: " +
      ::websocket::accept_key(key_of(request)) + "\r\n\r\nfrom the app");
  EXPECT_TRUE(until(*client, [&] { return (*client)[stream].body == "from the app"; }));
  EXPECT_EQ((*client)[stream][":status"], "200");
  EXPECT_EQ((*client)[stream]["sec-websocket-accept"], "(none)");
  EXPECT_EQ(counters()["tunnels"], 1);
  client->client.send(stream, "from the client");
  EXPECT_EQ(request_of(*client, *upstream, "client"), "from the client");
  client->client.send(stream, "", true);
  EXPECT_TRUE(until(*client, [&] { return upstream->is_ended(); }));
  upstream->send("bye");
  upstream->close();
  EXPECT_EQ(answer(*client, stream).body, "from the appbye");
  EXPECT_TRUE((*client)[stream].ended);
  EXPECT_EQ(counters()["tunnels"], 0);
}

TEST_F(Http2Test, AWebSocketThatTheAppRefusesOrMistakesIsNoTunnel) {
  auto client = speak();
  auto refused = client->client.request(websocket(), {}, true);
  auto upstream = accept(*client);
  request_of(*client, *upstream);
  upstream->send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  EXPECT_EQ(answer(*client, refused)[":status"], "403");
  auto mistaken = client->client.request(websocket(), {}, true);
  upstream = accept(*client);
  request_of(*client, *upstream);
  upstream->send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  EXPECT_EQ(answer(*client, mistaken)[":status"], "502");
  auto page = client->client.request(websocket(), {}, true);
  upstream = accept(*client);
  request_of(*client, *upstream);
  upstream->send(kOk);
  EXPECT_EQ(answer(*client, page)[":status"], "502") << "200 would open it";
  auto without = client->client.request({{":method", "CONNECT"}, {":authority", "a.test:443"}});
  auto& reply = answer(*client, without);
  EXPECT_TRUE(reply[":status"].starts_with("4") || reply[":status"].starts_with("5") || !reply.ended);
}

TEST_F(Http2Test, WhatAClientSendsAheadOfItsWebSocketWaitsForIt) {
  options.timeouts.body_gap = milliseconds(20);  // no body is waited for
  begin();
  auto client = speak();
  auto stream = client->client.request(websocket(), "early", true);
  auto upstream = accept(*client);
  auto request = request_of(*client, *upstream);
  for (int i = 0; i < 10; i++) loop->turn(milliseconds(10));
  EXPECT_EQ(upstream->take(), "");
  upstream->send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: " +
      ::websocket::accept_key(key_of(request)) + "\r\n\r\n");
  EXPECT_EQ(request_of(*client, *upstream, "early"), "early");
  EXPECT_EQ((*client)[stream][":status"], "200");
}

TEST_F(Http2Test, AResetOfAWebSocketEndsTheAppsSide) {
  auto client = speak();
  auto stream = client->client.request(websocket(), {}, true);
  auto upstream = accept(*client);
  auto request = request_of(*client, *upstream);
  upstream->send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: " +
      ::websocket::accept_key(key_of(request)) + "\r\n\r\n");
  EXPECT_TRUE(until(*client, [&] { return (*client)[stream][":status"] == "200"; }));
  nghttp2_submit_rst_stream(client->client.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), NGHTTP2_CANCEL);
  EXPECT_TRUE(until(*client, [&] { return upstream->is_ended(); }));
  EXPECT_EQ(counters()["tunnels"], 0);
}

}  // namespace
}  // namespace edge::test
