#include "tls/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "tls/test_support.h"

namespace tls {
namespace {

using testing::client_context;
using testing::Couple;
using ::testing::HasSubstr;
using testing::Identity;
using testing::make_identity;

std::unique_ptr<Context> make_context(Options options) {
  if (options.certificates.empty()) options.certificates = {make_identity("shop").pair()};
  auto context = Context::create(std::move(options));
  if (!context) ADD_FAILURE() << context.error().describe();
  return std::move(*context);
}

std::string read_all(Session& session) {
  std::string all(256 * 1024, '\0');
  Transfer got = session.read(all);
  all.resize(got.bytes);
  return all;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::iota(text.begin(), text.end(), '\0');
  return text;
}

class InBothVersions : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Tls, InBothVersions, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "v12" : "v13"; });

TEST_P(InBothVersions, BytesPassInBothDirections) {
  auto context = make_context({});
  ContextPtr clients = client_context(GetParam());
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands()) << couple.session().failure();
  couple.client_writes("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(read_all(couple.session()), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(couple.session().may_have_input());
  EXPECT_EQ(couple.session().write("hello").bytes, 5U);
  EXPECT_EQ(couple.client_reads(), "hello");
  Facts facts = couple.session().facts();
  EXPECT_EQ(facts.version, GetParam());
  EXPECT_EQ(facts.cipher_suite, SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(couple.client())));
  EXPECT_THAT(*facts.server_certificate, HasSubstr("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(facts.client_name, "");
}

TEST_P(InBothVersions, TheServerNameChoosesTheCertificate) {
  Options options;
  options.certificates = {make_identity("first", {.hosts = {"first.example"}}).pair(),
                          make_identity("second", {.hosts = {"second.example", "*.second.example"}}).pair()};
  auto context = make_context(std::move(options));
  ContextPtr clients = client_context(GetParam());
  auto served = [&](const char* host) {
    Couple couple(*context, clients.get(), host);
    EXPECT_TRUE(couple.shake_hands());
    EXPECT_EQ(couple.session().server_name(), host ? host : "");
    BioPtr pem = open_text(*couple.session().facts().server_certificate);
    CertificatePtr told(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
    EXPECT_EQ(X509_cmp(told.get(), SSL_get0_peer_certificate(couple.client())), 0);
    return couple.served_name();
  };
  EXPECT_EQ(served("first.example"), "first");
  EXPECT_EQ(served("second.example"), "second");
  EXPECT_EQ(served("www.second.example"), "second");
  EXPECT_EQ(served("a.b.second.example"), "first");
  EXPECT_EQ(served(nullptr), "first");
}

TEST_P(InBothVersions, AClientGetsTheKindOfKeyThatItWantsOfTwinCertificates) {
  Options options;
  options.certificates = {make_identity("rsa", {.hosts = {"shop.example"}, .rsa = true}).pair(),
                          make_identity("ecdsa", {.hosts = {"shop.example"}}).pair()};
  auto context = make_context(std::move(options));
  auto served = [&](const char* algorithms) {
    ContextPtr clients = client_context(GetParam());
    SSL_CTX_set1_sigalgs_list(clients.get(), algorithms);
    Couple couple(*context, clients.get(), "shop.example");
    EXPECT_TRUE(couple.shake_hands());
    return couple.served_name();
  };
  EXPECT_EQ(served("ECDSA+SHA256"), "ecdsa");
  EXPECT_EQ(served("RSA-PSS+SHA256:RSA+SHA256"), "rsa");
}

// Its ticket comes with what it reads first in TLS 1.3.
std::unique_ptr<SSL_SESSION, FreeWith<SSL_SESSION_free>> session_of(const Context& context, SSL_CTX* clients,
                                                                    const char* host) {
  Couple couple(context, clients, host);
  EXPECT_TRUE(couple.shake_hands());
  EXPECT_FALSE(couple.session().is_resumed());
  couple.session().write("x");
  couple.client_reads();
  std::unique_ptr<SSL_SESSION, FreeWith<SSL_SESSION_free>> session(SSL_get1_session(couple.client()));
  SSL_shutdown(couple.client());
  return session;
}

TEST_P(InBothVersions, SessionsAreResumedByAllWhoShareTheSecret) {
  Identity first = make_identity("first", {.hosts = {"first.example"}});
  Identity second = make_identity("second", {.hosts = {"second.example"}});
  Options options;
  options.certificates = {first.pair(), second.pair()};
  options.ticket_secret = TicketSecret::random();
  auto one = make_context(options), other = make_context(options);
  options.ticket_secret = TicketSecret::random();
  auto stranger = make_context(options);
  ContextPtr clients = client_context(GetParam());
  for (const char* host : {"first.example", "second.example"}) {
    auto session = session_of(*one, clients.get(), host);
    Couple again(*other, clients.get(), host);
    SSL_set_session(again.client(), session.get());
    ASSERT_TRUE(again.shake_hands());
    EXPECT_TRUE(again.session().is_resumed()) << host;
    session = session_of(*one, clients.get(), host);
    Couple elsewhere(*stranger, clients.get(), host);
    SSL_set_session(elsewhere.client(), session.get());
    ASSERT_TRUE(elsewhere.shake_hands());
    EXPECT_FALSE(elsewhere.session().is_resumed());
  }
}

TEST_P(InBothVersions, ReplacedCertificatesServeNewHandshakesAndLeaveSessionsAlone) {
  auto context = make_context({.certificates = {make_identity("old").pair()}});
  ContextPtr clients = client_context(GetParam());
  Couple before(*context, clients.get());
  ASSERT_TRUE(before.shake_hands());
  Couple during(*context, clients.get());
  SSL_do_handshake(during.client());
  (void)during.session().handshake();
  ASSERT_TRUE(context->replace({make_identity("new").pair()}));
  KeyPair broken = make_identity("broken").pair();
  broken.key = "nonsense";
  EXPECT_FALSE(context->replace({broken}));
  Couple after(*context, clients.get());
  ASSERT_TRUE(after.shake_hands());
  EXPECT_EQ(after.served_name(), "new");
  ASSERT_TRUE(during.shake_hands());
  EXPECT_EQ(during.served_name(), "old");
  before.client_writes("still there?");
  EXPECT_EQ(read_all(before.session()), "still there?");
}

class ClientCertificates_ : public InBothVersions {
 protected:
  ClientCertificates_() { options_.client_authorities = authority_.pair().certificate; }
  bool joins(const Identity* client) {
    ContextPtr clients = client_context(GetParam());
    if (client) SSL_CTX_use_cert_and_key(clients.get(), client->certificate.get(), client->key.get(), nullptr, 1);
    context_ = make_context(options_);
    couple_ = std::make_unique<Couple>(*context_, clients.get());
    return couple_->shake_hands();
  }
  Identity authority_ = make_identity("authority", {.is_authority = true});
  Identity friend_ = make_identity("friend", {.issuer = &authority_});
  Identity stranger_ = make_identity("stranger");
  Options options_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Couple> couple_;
};
INSTANTIATE_TEST_SUITE_P(Tls, ClientCertificates_, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "v12" : "v13"; });

TEST_P(ClientCertificates_, ThatAreRequiredMustBeThereAndSignedByAnAuthority) {
  options_.client_certificates = ClientCertificates::required;
  ASSERT_TRUE(joins(&friend_));
  Facts facts = couple_->session().facts();
  EXPECT_EQ(facts.client_name, "CN=friend,O=Serai\\, tests");
  ASSERT_EQ(facts.client_chain.size(), 1U);
  EXPECT_EQ(facts.client_chain[0], friend_.pair().certificate);
  EXPECT_FALSE(joins(nullptr));
  EXPECT_THAT(couple_->session().failure(), HasSubstr("did not return a certificate"));
  EXPECT_FALSE(joins(&stranger_));
}

TEST_P(ClientCertificates_, ThatAreOptionalMayBeMissingButNotWrong) {
  options_.client_certificates = ClientCertificates::optional;
  EXPECT_TRUE(joins(nullptr));
  EXPECT_TRUE(joins(&friend_));
  EXPECT_FALSE(joins(&stranger_));
}

TEST_P(ClientCertificates_, AreLookedAtInEveryHandshake) {
  for (auto kind : {ClientCertificates::optional, ClientCertificates::required}) {
    options_.client_certificates = kind;
    auto context = make_context(options_);
    ContextPtr clients = client_context(GetParam());
    SSL_CTX_use_cert_and_key(clients.get(), friend_.certificate.get(), friend_.key.get(), nullptr, 1);
    auto session = session_of(*context, clients.get(), "test");
    Couple again(*context, clients.get(), "test");
    SSL_set_session(again.client(), session.get());
    ASSERT_TRUE(again.shake_hands());
    EXPECT_FALSE(again.session().is_resumed());
    EXPECT_EQ(again.session().facts().client_name, "CN=friend,O=Serai\\, tests");
  }
}

TEST(Session, TakesTheBestProtocolOfOursThatTheClientOffers) {
  auto context = make_context({.alpn = {"h2", "http/1.1"}});
  auto agreed = [&](std::string_view offered) -> std::string {
    ContextPtr clients = client_context();
    SSL_CTX_set_alpn_protos(clients.get(), reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned>(offered.size()));
    Couple couple(*context, clients.get());
    if (!couple.shake_hands()) return "refused";
    return std::string(couple.session().alpn());
  };
  EXPECT_EQ(agreed("\x08http/1.1\x02h2"), "h2");
  EXPECT_EQ(agreed("\x08http/1.0\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed("\x08http/0.9"), "refused");
  EXPECT_EQ(agreed(""), "");
}

TEST(Session, KeepsToTheLeastVersionAndTheCiphersGiven) {
  auto newest = make_context({.least_version = Version::tls_1_3});
  ContextPtr old_clients = client_context(TLS1_2_VERSION);
  EXPECT_FALSE(Couple(*newest, old_clients.get()).shake_hands());
  auto chosen = make_context({.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_CHACHA20_POLY1305_SHA256"});
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ContextPtr clients = client_context(version);
    Couple couple(*chosen, clients.get());
    ASSERT_TRUE(couple.shake_hands());
    EXPECT_STREQ(SSL_get_cipher_name(couple.client()),
                 version == TLS1_2_VERSION ? "ECDHE-ECDSA-AES256-GCM-SHA384" : "TLS_CHACHA20_POLY1305_SHA256");
  }
}

TEST(Session, RefusesToRenegotiate) {
  auto context = make_context({});
  ContextPtr clients = client_context(TLS1_2_VERSION);
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  SSL_renegotiate(couple.client());
  SSL_do_handshake(couple.client());
  char byte;
  EXPECT_EQ(couple.session().read({&byte, 1}).bytes, 0U);
  EXPECT_LE(SSL_do_handshake(couple.client()), 0);
  ERR_clear_error();
}

TEST(Session, KnowsAClientThatSpeaksHttp) {
  for (bool kernel_tls : {false, true}) {
    auto context = make_context({.kernel_tls = kernel_tls});
    ContextPtr clients = client_context();
    Couple couple(*context, clients.get());
    EXPECT_EQ(couple.session().handshake(), Progress::wants_read);
    ASSERT_EQ(::send(couple.client_socket(), "OPTIONS / HTTP/1.1\r\n", 20, 0), 20);
    EXPECT_EQ(couple.session().handshake(), Progress::failed);
    EXPECT_TRUE(couple.session().met_plain_http());
  }
}

TEST(Session, FailsOnGarbageBeforeAndAfterTheHello) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple at_once(*context, clients.get());
  ASSERT_EQ(::send(at_once.client_socket(), "\x16\x03\x01\xff\xffgarbage", 12, 0), 12);
  EXPECT_EQ(at_once.session().handshake(), Progress::failed);
  EXPECT_FALSE(at_once.session().met_plain_http());
  EXPECT_NE(at_once.session().failure(), "");
  Couple later(*context, clients.get());
  SSL_do_handshake(later.client());
  EXPECT_EQ(later.session().handshake(), Progress::wants_read);
  ASSERT_EQ(::send(later.client_socket(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
  EXPECT_EQ(later.session().handshake(), Progress::failed);
  EXPECT_FALSE(later.session().met_plain_http());
}

TEST(Session, FailsWhenTheClientLeavesDuringTheHandshake) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ::shutdown(couple.client_socket(), SHUT_WR);
  EXPECT_EQ(couple.session().handshake(), Progress::failed);
  EXPECT_THAT(couple.session().failure(), HasSubstr("left"));
}

TEST(Session, SendsSmallPiecesInOneRecordAndLargeOnesInFullRecords) {
  auto context = make_context({});
  ContextPtr clients = client_context(TLS1_3_VERSION);
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  couple.client_reads();
  std::vector<std::string_view> small = {"HTTP/1.1 200 OK\r\n", "", "\r\n", "hello"};
  EXPECT_EQ(couple.session().write(small).bytes, 24U);
  char record[5];
  ASSERT_EQ(::recv(couple.client_socket(), record, 5, MSG_PEEK), 5);
  EXPECT_EQ(record[3] * 256 + record[4], 24 + 1 + 16);  // the text, its type and the tag
  EXPECT_EQ(couple.client_reads(), "HTTP/1.1 200 OK\r\n\r\nhello");
  std::string large = pattern(40'000);
  std::vector<std::string_view> mixed = {"head", large, "tail"};
  EXPECT_EQ(couple.session().write(mixed).bytes, 40'008U);
  EXPECT_EQ(couple.client_reads(), "head" + large + "tail");
}

TEST(Session, GoesOnWhereAFullSocketStoppedIt) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  std::string sent = pattern(3'000'000), received;
  for (std::size_t done = 0; done < sent.size();) {
    std::string_view left = std::string_view(sent).substr(done);
    std::vector<std::string_view> pieces = {left.substr(0, 1000),
                                            left.substr(std::min<std::size_t>(1000, left.size()))};
    Transfer moved = couple.session().write(pieces);
    done += moved.bytes;
    if (moved.progress != Progress::done) {
      EXPECT_EQ(moved.progress, Progress::wants_write);
    }
    received += couple.client_reads();
  }
  EXPECT_TRUE(received == sent);
}

TEST(Session, RefusesToForgetWhatAFullSocketDidNotTake) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  std::string large = pattern(3'000'000);
  ASSERT_EQ(couple.session().write(large).progress, Progress::wants_write);
  EXPECT_EQ(couple.session().write("less").progress, Progress::failed);
}

TEST(Session, SendsAFileFromAnywhereToItsEnd) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  std::string content = pattern(500'000), received;
  std::string name = (std::filesystem::temp_directory_path() / "serai-tls-XXXXXX").string();
  base::Fd file(::mkstemp(name.data()));
  ::unlink(name.c_str());
  ASSERT_TRUE(base::write_all(file.get(), content));
  std::size_t offset = 1234;
  while (offset < content.size()) {
    Transfer moved = couple.session().send_file(file.get(), offset, content.size() - offset);
    ASSERT_NE(moved.progress, Progress::failed) << couple.session().failure();
    offset += moved.bytes;
    received += couple.client_reads();
  }
  EXPECT_TRUE(received == content.substr(1234));
  Transfer beyond = couple.session().send_file(file.get(), content.size(), 10);
  EXPECT_EQ(beyond.bytes, 0U);
  EXPECT_EQ(beyond.progress, Progress::done);
}

TEST(Session, ReadsSeveralRecordsAtOnceAndSaysWhenThereIsMore) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  couple.client_writes("one");
  couple.client_writes("two");
  char few[4];
  EXPECT_EQ(couple.session().read(few).bytes, 4U);
  EXPECT_TRUE(couple.session().may_have_input());
  EXPECT_EQ(couple.session().read(few).bytes, 2U);
  EXPECT_EQ(couple.session().read(few).progress, Progress::wants_read);
}

// Key updates, as many as fit, in one piece.
std::string key_updates(SSL* client, int count) {
  BIO* written = BIO_new(BIO_s_mem());
  SSL_set0_wbio(client, written);
  for (int i = 0; i < count; i++) {
    SSL_key_update(client, SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(client);
  }
  char* bytes = nullptr;
  long size = BIO_get_mem_data(written, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

TEST(Session, EndsAClientThatSendsNothingButKeyUpdates) {
  auto context = make_context({});
  ContextPtr clients = client_context(TLS1_3_VERSION);
  for (int count : {100, 4000}) {
    Couple couple(*context, clients.get());
    ASSERT_TRUE(couple.shake_hands());
    couple.client_reads();
    std::string updates = key_updates(couple.client(), count);
    ASSERT_EQ(::send(couple.client_socket(), updates.data(), updates.size(), 0), ssize(updates));
    char byte;
    auto progress = couple.session().read({&byte, 1}).progress;
    EXPECT_EQ(progress, count == 100 ? Progress::wants_read : Progress::failed);
  }
}

TEST(Session, HearsTheClientsEndAndMayStillAnswer) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  couple.client_writes("last words");
  SSL_shutdown(couple.client());
  EXPECT_EQ(read_all(couple.session()), "last words");
  EXPECT_TRUE(couple.session().may_have_input());
  char byte;
  EXPECT_EQ(couple.session().read({&byte, 1}).progress, Progress::ended);
  EXPECT_EQ(couple.session().write("answer").bytes, 6U);
  couple.session().close();
  EXPECT_EQ(couple.client_reads(), "answer");
  EXPECT_EQ(SSL_get_shutdown(couple.client()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

TEST(Session, TakesAnEndWithoutCloseNotifyForAnEnd) {
  auto context = make_context({});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());
  ASSERT_TRUE(couple.shake_hands());
  ::shutdown(couple.client_socket(), SHUT_WR);
  char byte;
  EXPECT_EQ(couple.session().read({&byte, 1}).progress, Progress::ended);
}

TEST(Session, WorksWhereTheKernelCannotEncryptThoughItWasAskedTo) {
  auto context = make_context({.kernel_tls = true});
  ContextPtr clients = client_context();
  Couple couple(*context, clients.get());  // a Unix socket never can
  ASSERT_TRUE(couple.shake_hands()) << couple.session().failure();
  EXPECT_FALSE(couple.session().kernel_sends());
  couple.client_writes("question");
  EXPECT_EQ(read_all(couple.session()), "question");
  EXPECT_EQ(couple.session().write("answer").bytes, 6U);
  EXPECT_EQ(couple.client_reads(), "answer");
}

}  // namespace
}  // namespace tls
