#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/socket.h>

#include "tls/test_support.h"

namespace tls::testing {
namespace {

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string list;
  for (const std::string& host : hosts) list += (list.empty() ? "DNS:" : ",DNS:") + host;
  return list;
}

void set_name(X509* certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Serai, tests"), -1,
                             -1, 0);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0);
}

}  // namespace

Identity make_identity(const std::string& name, const Wish& wish) {
  static long serial = 1;
  Identity made{KeyPtr(wish.rsa ? EVP_RSA_gen(static_cast<unsigned>(wish.rsa_bits)) : EVP_EC_gen("P-256")),
                CertificatePtr(X509_new()), name};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.days_from * 86400L);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.days_to * 86400L);
  X509_set_pubkey(certificate, made.key.get());
  set_name(certificate, name);
  const Identity& issuer = wish.issuer ? *wish.issuer : made;
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate.get()));
  if (!wish.hosts.empty()) add_extension(certificate, NID_subject_alt_name, alternative_names(wish.hosts));
  if (wish.is_authority) add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate, issuer.key.get(), EVP_sha256());
  return made;
}

std::string key_text(EVP_PKEY* key, const char* password) {
  BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(out.get(), key, password ? EVP_aes_256_cbc() : nullptr, password,
                                password ? static_cast<int>(strlen(password)) : 0, nullptr, nullptr);
  char* text = nullptr;
  long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

KeyPair Identity::pair() const {
  return {to_pem(certificate.get()), key_text(key.get()), name + ".crt", name + ".key"};
}

ContextPtr client_context(int version) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (version) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
  }
  return context;
}

Couple::Couple(const Context& context, SSL_CTX* client_context, const char* server_name) {
  sockets_ = std::move(*base::socketpair(SOCK_STREAM));
  (void)base::set_nonblocking(sockets_.ours.get(), true);
  (void)base::set_nonblocking(sockets_.theirs.get(), true);
  session_ = std::move(*context.accept(sockets_.ours.get()));
  client_.reset(SSL_new(client_context));
  SSL_set_fd(client_.get(), sockets_.theirs.get());
  SSL_set_connect_state(client_.get());
  // What SSL_set_tlsext_host_name does, without the cast of its macro.
  if (server_name) {
    SSL_ctrl(client_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(server_name));
  }
}

Couple::~Couple() { ERR_clear_error(); }

bool Couple::shake_hands() {
  bool client_done = false;
  Progress ours = Progress::wants_read;
  for (int turn = 0; turn < 20; turn++) {
    client_done = SSL_do_handshake(client_.get()) == 1;
    if (ours != Progress::done && ours != Progress::failed) ours = session_->handshake();
    if (client_done && ours == Progress::done) return true;
  }
  ERR_clear_error();
  return false;
}

std::string Couple::client_reads() {
  std::string all;
  char piece[4096];
  for (int count; (count = SSL_read(client_.get(), piece, sizeof piece)) > 0;)
    all.append(piece, static_cast<std::size_t>(count));
  ERR_clear_error();
  return all;
}

void Couple::client_writes(std::string_view bytes) {
  ASSERT_EQ(SSL_write(client_.get(), bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
}

std::string Couple::served_name() {
  X509* shown = SSL_get0_peer_certificate(client_.get());
  char name[256] = "";
  if (shown) X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
  return name;
}

}  // namespace tls::testing
