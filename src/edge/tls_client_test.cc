#include <gmock/gmock.h>
#include <sys/socket.h>

#include "base/file.h"
#include "edge/test_support.h"
#include "tls/test_support.h"

namespace edge::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using tls::testing::Identity;
using tls::testing::make_identity;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: first.test\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

nlohmann::json message_of(std::initializer_list<const Identity*> identities) {
  auto pairs = nlohmann::json::array();
  for (const Identity* identity : identities) {
    auto pair = identity->pair();
    pairs.push_back({{"certificate", pair.certificate},
                     {"key", pair.key},
                     {"certificate_file", pair.certificate_file},
                     {"key_file", pair.key_file}});
  }
  return {{"type", "certificates"}, {"pairs", pairs}, {"ticket_secret", std::string(64, 'a')}, {"ticket_period", 0}};
}

// A client that speaks TLS through a socket of its own.
class SecureWire {
 public:
  SecureWire(base::Fd socket, const char* server_name, std::string_view alpn = "\x08http/1.1")
      : socket_(std::move(socket)), context_(tls::testing::client_context()), ssl_(SSL_new(context_.get())) {
    (void)base::set_nonblocking(socket_.get(), true);
    SSL_set_fd(ssl_.get(), socket_.get());
    SSL_set_connect_state(ssl_.get());
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(server_name));
  }
  ~SecureWire() { ERR_clear_error(); }

  bool shake_hands() { return SSL_do_handshake(ssl_.get()) == 1; }
  // As much as the socket takes now.
  std::size_t send(std::string_view bytes) {
    std::size_t count = 0;
    SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    return count;
  }
  const std::string& pump() {
    char buffer[16384];
    int count = 0;
    while (!ended_ && (count = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0)
      received_.append(buffer, static_cast<std::size_t>(count));
    int error = ended_ ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), count);
    ended_ = ended_ || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE);
    was_told_ = was_told_ || error == SSL_ERROR_ZERO_RETURN;
    return received_;
  }
  bool is_ended() {
    pump();
    return ended_;
  }
  bool was_told() const { return was_told_; }  // by a close_notify
  std::string certificate() {
    char name[256] = "";
    X509* shown = SSL_get0_peer_certificate(ssl_.get());
    if (shown) X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
    return name;
  }
  void leave() {
    SSL_shutdown(ssl_.get());
    socket_.close();
  }

 private:
  base::Fd socket_;
  tls::ContextPtr context_;
  std::unique_ptr<SSL, tls::FreeWith<SSL_free>> ssl_;
  std::string received_;
  bool ended_ = false, was_told_ = false;
};

struct TlsTest : EdgeTest {
  App app{folder.path / "app.sock"};
  Identity first = make_identity("first", {.hosts = {"first.test"}});
  Identity second = make_identity("second", {.hosts = {"second.test"}});

  void SetUp() override { begin(std::chrono::milliseconds(300)); }
  void begin(std::chrono::milliseconds handshake_timeout) {
    options.timeouts.tls_handshake = handshake_timeout;
    server.reset();
    start();
    auto applied = server->apply_certificates(message_of({&first, &second}));
    ASSERT_TRUE(applied) << applied.error().describe();
    set_routes({route(app.path)});
  }
  base::Fd connect_raw(const char* address = "192.0.2.7") {
    auto pair = std::move(*base::socketpair(SOCK_STREAM));
    (void)base::set_nonblocking(pair.ours.get(), true);
    server->adopt(std::move(pair.ours), address, true);
    return std::move(pair.theirs);
  }
  std::unique_ptr<SecureWire> connect(const char* name = "first.test") {
    auto wire = std::make_unique<SecureWire>(connect_raw(), name);
    EXPECT_TRUE(until([&] { return wire->shake_hands(); }));
    return wire;
  }
  void expect(SecureWire& wire, std::string_view text) {
    EXPECT_TRUE(until([&] { return wire.pump().find(text) != std::string::npos || wire.is_ended(); }));
    EXPECT_THAT(wire.pump(), HasSubstr(std::string(text)));
  }
  using EdgeTest::expect;
};

TEST_F(TlsTest, ARequestIsPassedOnWithItsScheme) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  EXPECT_THAT(expect(*upstream, "\r\n\r\n"), AllOf(HasSubstr("x-forwarded-proto: https\r\n"), HasSubstr("proto=https"),
                                                   HasSubstr("x-forwarded-for: 192.0.2.7\r\n")));
  upstream->send(kOk);
  expect(*client, "\r\n\r\nhi");
  client->send(kGet);  // the connection is kept
  expect(*upstream, "GET / ");
}

TEST_F(TlsTest, WhoBeginsManyHandshakesEndsNoneOfOthers) {
  begin(std::chrono::minutes(1));
  auto others = connect_raw("198.51.100.1"), oldest = connect_raw();
  for (int i = 0; i < 600; i++) (void)connect_raw();  // no turn between them: each is still a handshake
  EXPECT_LT(server->counters()["connections"], 600);
  char byte;
  EXPECT_EQ(::recv(oldest.get(), &byte, 1, MSG_DONTWAIT), 0) << "given up";
  ASSERT_LT(::recv(others.get(), &byte, 1, MSG_DONTWAIT), 0) << "closed";
  SecureWire client(std::move(others), "first.test");
  EXPECT_TRUE(until([&] { return client.shake_hands(); }));
}

TEST_F(TlsTest, TheNameChoosesTheCertificate) {
  EXPECT_EQ(connect("first.test")->certificate(), "first");
  EXPECT_EQ(connect("second.test")->certificate(), "second");
  EXPECT_EQ(connect("elsewhere.test")->certificate(), "first");
}

TEST_F(TlsTest, ARequestForAHostWithAnotherCertificateIsMisdirected) {
  auto client = connect("second.test");
  client->send("GET / HTTP/1.1\r\nHost: first.test\r\n\r\n");
  expect(*client, "HTTP/1.1 421 ");
  client->send("GET / HTTP/1.1\r\nHost: SECOND.test:443\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "SECOND.test");
  upstream->send(kOk);
  expect(*client, "200 OK");
  auto old = connect("second.test");
  old->send("GET / HTTP/1.0\r\n\r\n");  // names no host at all
  expect(*upstream, "GET / HTTP/1.");
}

TEST_F(TlsTest, NewCertificatesAreForNewHandshakesAndOpenConnectionsStay) {
  auto before = connect();
  Identity renewed = make_identity("renewed", {.hosts = {"first.test"}});
  ASSERT_TRUE(server->apply_certificates(message_of({&renewed})));
  EXPECT_EQ(connect()->certificate(), "renewed");
  before->send(kGet);
  auto upstream = accept(app);
  upstream->send(kOk);
  expect(*before, "200 OK");
  EXPECT_EQ(before->certificate(), "first");
}

TEST_F(TlsTest, BrokenCertificatesChangeNothing) {
  auto broken = message_of({&second});
  broken["pairs"][0]["key"] = "no key";
  auto refused = server->apply_certificates(broken);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("second.key"));
  for (const char* text : {R"({})", R"({"pairs": []})", R"({"pairs": [1]})", R"({"pairs": [{"certificate": 1}]})"}) {
    EXPECT_FALSE(server->apply_certificates(nlohmann::json::parse(text))) << text;
  }
  EXPECT_EQ(connect()->certificate(), "first");
}

TEST_F(TlsTest, WithoutCertificatesNoSocketForTlsIsTaken) {
  server.reset();
  start();
  EXPECT_FALSE(server->listen(base::Fd(::socket(AF_INET, SOCK_STREAM, 0)), true));
}

TEST_F(TlsTest, APlainRequestIsToldThatHttpsIsSpoken) {
  Wire client(connect_raw());
  client.send(kGet);
  EXPECT_THAT(expect(client, "https://"), StartsWith("HTTP/1.1 400 "));
  expect_end(client);
  client.close();
  EXPECT_TRUE(until([&] { return server->counters()["connections"] == 0; }));
}

TEST_F(TlsTest, AHandshakeThatDoesNotComeToAnEndIsGivenUp) {
  Wire silent(connect_raw()), half(connect_raw());
  half.send("\x16\x03\x01\x02");
  expect_end(silent);
  expect_end(half);
}

TEST_F(TlsTest, NonsenseInsteadOfAHandshakeClosesTheConnection) {
  Wire client(connect_raw());
  client.send(std::string("\x16\x03\x01\x00\x04????", 9));
  expect_end(client);
}

TEST_F(TlsTest, AClientThatOffersNoProtocolOfOursIsRefused) {
  SecureWire client(connect_raw(), "first.test", "\x03nil");
  EXPECT_TRUE(until([&] { return client.shake_hands() || client.is_ended(); }));
  EXPECT_TRUE(client.is_ended());
}

TEST_F(TlsTest, ALargeBodyGoesBothWaysAsFastAsTheSlowerSide) {
  const std::string large(3 << 20, 'x');
  auto client = connect();
  client->send(fmt::format("POST / HTTP/1.1\r\nHost: first.test\r\nContent-Length: {}\r\n\r\n", large.size()));
  auto upstream = accept(app);
  std::size_t sent = 0;
  std::string request;
  EXPECT_TRUE(until([&] {
    sent += client->send(std::string_view(large).substr(sent));
    request += upstream->take();
    return sent == large.size() && request.ends_with("\r\n\r\n" + large);
  }));
  std::string answer = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.size()) + large;
  std::size_t written = 0;
  EXPECT_TRUE(until([&] {
    auto piece = answer.substr(written, 4096);
    if (!piece.empty() && upstream->try_send(piece)) written += piece.size();
    return client->pump().ends_with(large.substr(1));
  }));
}

TEST_F(TlsTest, AFileGoesOutWholeThroughTls) {
  auto content = std::string(2 << 20, 'f');
  ASSERT_TRUE(base::make_folders(folder.path / "static"));
  ASSERT_TRUE(base::write_file_atomically(folder.path / "static" / "large.bin", content));
  set_routes(
      {route(app.path, {{"static", {{{"prefix", "/static/"}, {"folder", (folder.path / "static").string()}}}}})});
  auto client = connect();
  client->send("GET /static/large.bin HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(until([&] { return client->is_ended(); }));
  EXPECT_TRUE(client->pump().ends_with("\r\n\r\n" + content));
  EXPECT_TRUE(client->was_told()) << "close_notify tells that nothing was cut off";
}

TEST_F(TlsTest, AClientThatLeavesCutsItsRequest) {
  auto client = connect();
  client->send(kGet);
  auto upstream = accept(app);
  expect(*upstream, "\r\n\r\n");
  client->leave();
  expect_end(*upstream);
  EXPECT_TRUE(until([&] { return server->counters()["connections"] == 0; }));
}

TEST_F(TlsTest, PipelinedRequestsAreAnsweredInOrderAlsoAfterTheEnd) {
  auto client = connect();
  client->send(std::string(kGet) + "GET /last HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n");
  auto upstream = accept(app);
  expect(*upstream, "GET / ");
  upstream->send(kOk);
  expect(*upstream, "GET /last ");
  upstream->send(kOk);
  EXPECT_TRUE(until([&] { return client->is_ended(); }));
  EXPECT_TRUE(client->was_told());
}

TEST_F(TlsTest, ShakersBeyondTheBoundPushTheOldestOut) {
  std::vector<std::unique_ptr<Wire>> many;
  for (int i = 0; i < 513; i++) many.push_back(std::make_unique<Wire>(connect_raw()));
  EXPECT_TRUE(until([&] { return many.front()->is_ended(); }));
  EXPECT_FALSE(many.back()->is_ended());
}

}  // namespace
}  // namespace edge::test
