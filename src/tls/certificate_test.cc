// What is said of files that are of no use.
#include "tls/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "tls/test_support.h"

namespace tls {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Identity;
using testing::key_text;
using testing::make_identity;

std::string refusal(KeyPair pair) {
  Options options;
  options.certificates = {std::move(pair)};
  auto context = Context::create(std::move(options));
  return context ? "taken" : context.error().describe() + " | " + context.error().advice();
}

TEST(Context, SaysThatAFileHoldsNoCertificate) {
  KeyPair pair = make_identity("shop").pair();
  std::swap(pair.certificate, pair.key);
  EXPECT_THAT(refusal(pair), AllOf(HasSubstr("shop.crt holds no certificate"), HasSubstr("fullchain.pem")));
}

TEST(Context, SaysThatACertificateIsDamaged) {
  KeyPair pair = make_identity("shop").pair();
  pair.certificate[pair.certificate.size() / 2] = '\x01';
  EXPECT_THAT(refusal(pair), HasSubstr("the certificate shop.crt is damaged"));
}

TEST(Context, SaysThatTheSecondCertificateOfAChainIsDamaged) {
  KeyPair pair = make_identity("shop").pair();
  std::string second = make_identity("authority").pair().certificate;
  second[second.size() / 2] = '\x01';
  pair.certificate += second;
  EXPECT_THAT(refusal(pair), HasSubstr("certificate 2 of shop.crt is damaged"));
}

TEST(Context, SaysThatACertificateIsInAnotherFormat) {
  Identity shop = make_identity("shop");
  unsigned char* der = nullptr;
  int size = i2d_X509(shop.certificate.get(), &der);
  KeyPair pair = shop.pair();
  pair.certificate.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  EXPECT_THAT(refusal(pair), AllOf(HasSubstr("looks like DER"), HasSubstr("openssl x509 -inform der")));
}

TEST(Context, SaysThatAKeyDoesNotBelongToTheCertificate) {
  KeyPair pair = make_identity("shop").pair();
  pair.key = make_identity("other").pair().key;
  EXPECT_THAT(refusal(pair), HasSubstr("the private key shop.key does not belong to the certificate shop.crt"));
  pair.key = make_identity("other", {.rsa = true}).pair().key;
  EXPECT_THAT(refusal(pair), HasSubstr("does not belong"));
}

TEST(Context, SaysThatAKeyIsEncrypted) {
  Identity shop = make_identity("shop");
  KeyPair pair = shop.pair();
  pair.key = key_text(shop.key.get(), "secret");
  EXPECT_THAT(refusal(pair), AllOf(HasSubstr("shop.key is encrypted"), HasSubstr("openssl pkey -in shop.key")));
}

TEST(Context, SaysThatAFileHoldsNoKeyOrADamagedOne) {
  KeyPair pair = make_identity("shop").pair();
  KeyPair damaged = pair;
  pair.key = pair.certificate;
  EXPECT_THAT(refusal(pair), HasSubstr("shop.key holds no private key"));
  damaged.key[damaged.key.size() / 2] = '\x01';
  EXPECT_THAT(refusal(damaged), HasSubstr("the private key shop.key is damaged"));
}

TEST(Context, SaysThatAKeyIsTooSmall) {
  EXPECT_THAT(refusal(make_identity("shop", {.rsa = true, .rsa_bits = 1024}).pair()), HasSubstr("shop.crt: ee key"));
}

TEST(Context, WarnsOfCertificatesThatDoNotCountToday) {
  Options options;
  options.certificates = {make_identity("old", {.days_from = -9, .days_to = -2}).pair(),
                          make_identity("early", {.days_from = 2}).pair(), make_identity("good").pair()};
  auto context = Context::create(std::move(options));
  ASSERT_TRUE(context);
  EXPECT_THAT((*context)->warnings(),
              ::testing::ElementsAre(HasSubstr("old.crt expired on 2"), HasSubstr("early.crt is not valid before 2")));
}

TEST(Context, RefusesSettingsThatMakeNoSense) {
  Options none;
  EXPECT_THAT(Context::create(none).error().describe(), HasSubstr("no certificate"));
  Options ciphers;
  ciphers.certificates = {make_identity("shop").pair()};
  ciphers.ciphers = "NOT-A-CIPHER";
  EXPECT_THAT(Context::create(ciphers).error().describe(), HasSubstr("NOT-A-CIPHER"));
  ciphers.ciphers = "TLS_NO_SUITE";
  EXPECT_THAT(Context::create(ciphers).error().describe(), HasSubstr("TLS_NO_SUITE"));
  Options clients;
  clients.certificates = {make_identity("shop").pair()};
  clients.client_certificates = ClientCertificates::required;
  EXPECT_THAT(Context::create(clients).error().describe(), HasSubstr("no authority"));
  clients.client_authorities = "nothing";
  clients.client_authorities_file = "clients.pem";
  EXPECT_THAT(Context::create(clients).error().describe(), HasSubstr("clients.pem holds no certificate"));
}

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "serai-tls-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Files() override { (void)base::remove_tree(folder_); }
  void put(const std::string& name, const std::string& text) {
    auto path = folder_ / name;
    ASSERT_TRUE(base::make_folders(path.parent_path()));
    ASSERT_TRUE(base::write_file_atomically(path, text));
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  std::filesystem::path folder_;
};

TEST_F(Files, ThatAreMissingAreNamed) {
  auto pair = read_key_pair(path("shop.crt"), path("shop.key"));
  ASSERT_FALSE(pair);
  EXPECT_THAT(pair.error().describe(), AllOf(HasSubstr("shop.crt"), HasSubstr("No such file")));
  EXPECT_THAT(pair.error().advice(), HasSubstr("check the path"));
  put("shop.crt", "x");
  EXPECT_THAT(read_key_pair(path("shop.crt"), path("shop.key")).error().describe(), HasSubstr("shop.key"));
}

TEST_F(Files, OfAFolderAreFoundInTheirUsualShapes) {
  put("a.crt", "A");
  put("a.key", "a");
  put("b.pem", "-----BEGIN PRIVATE KEY-----");
  put("c/fullchain.pem", "C");
  put("c/privkey.pem", "c");
  put("authority.pem", "no key");
  put("README", "text");
  auto pairs = read_key_pairs(folder_);
  ASSERT_TRUE(pairs) << pairs.error().describe();
  ASSERT_EQ(pairs->size(), 3U);
  EXPECT_EQ((*pairs)[0].certificate, "A");
  EXPECT_EQ((*pairs)[0].key, "a");
  EXPECT_EQ((*pairs)[1].key_file, path("b.pem"));
  EXPECT_EQ((*pairs)[2].key, "c");
}

TEST_F(Files, OfAFolderWithoutCertificatesAreMissed) {
  EXPECT_THAT(read_key_pairs(folder_).error().describe(), HasSubstr("holds no certificate with a key"));
  EXPECT_THAT(read_key_pairs(path("none")).error().describe(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace tls
