#include "tls/certificate_set.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace tls {
namespace {

// Mozilla, "intermediate" 5.7. TLS 1.3 has no others of use, so OpenSSL's list for it stays.
constexpr auto ciphers_of_1_2 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr auto groups = "X25519:P-256:P-384";

std::unexpected<base::Error> invalid_setting(std::string message, std::string advice) {
  return std::unexpected(base::Error(base::Kind::invalid, std::move(message), std::move(advice)));
}

TicketKeys& tickets_of(SSL* ssl) { return *static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))); }

bool key_mac(EVP_MAC_CTX* mac, TicketKey& key) {
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// --- OpenSSL's callbacks --------------------------------------------------------------------------------------------

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0 no such key, 1 good, 2 good but give the client a new ticket.
int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
  int answer = 1;
  TicketKey key;
  if (sealing) {
    key = tickets_of(ssl).current();
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    auto found = tickets_of(ssl).find({reinterpret_cast<const char*>(name), key.name.size()});
    if (!found) return 0;
    key = found->key;
    answer = found->is_current ? 1 : 2;
  }
  bool ready =
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv, sealing) == 1 && key_mac(mac, key);
  OPENSSL_cleanse(&key, sizeof key);
  return ready ? answer : -1;
}

// RFC 6066 section 3: a client that names an unknown host gets the first certificate, and decides for itself.
int on_server_name(SSL* ssl, int*, void* set) {
  const char* host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!host) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_CTX* context = static_cast<const CertificateSet*>(set)->find(host)) SSL_set_SSL_CTX(ssl, context);
  return SSL_TLSEXT_ERR_OK;
}

// RFC 7301 section 3.2: our order counts; without a protocol in common the handshake fails.
int on_alpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
            unsigned offered_size, void* ours) {
  const auto& wire = *static_cast<const std::string*>(ours);
  unsigned char* found = nullptr;
  int outcome = SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(wire.data()),
                                      static_cast<unsigned>(wire.size()), offered, offered_size);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// --- settings -------------------------------------------------------------------------------------------------------

std::string alpn_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

// The names of TLS 1.3 begin with "TLS_", and OpenSSL wants them in a list of their own.
struct Ciphers {
  std::string of_1_2, of_1_3;
};
Ciphers sort_ciphers(std::string_view list) {
  Ciphers sorted;
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find(':'));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    std::string& part = name.starts_with("TLS_") ? sorted.of_1_3 : sorted.of_1_2;
    if (!part.empty()) part += ':';
    part += name;
  }
  return sorted;
}

base::Result<void> set_ciphers(SSL_CTX* context, const std::string& list) {
  Ciphers wanted = sort_ciphers(list);
  bool good = SSL_CTX_set_cipher_list(context, wanted.of_1_2.empty() ? ciphers_of_1_2 : wanted.of_1_2.c_str()) == 1 &&
              (wanted.of_1_3.empty() || SSL_CTX_set_ciphersuites(context, wanted.of_1_3.c_str()) == 1);
  if (good) return {};
  ERR_clear_error();
  return invalid_setting(fmt::format("OpenSSL knows no such list of ciphers: '{}'", list),
                         "`openssl ciphers -v` shows the names; join them by colons, or leave the default");
}

void set_behaviour(SSL_CTX* context, const Options& options) {
  SSL_CTX_set_min_proto_version(context, static_cast<int>(options.least_version));
  // HTTP has lengths of its own, so an end without close_notify needs no error.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set1_groups_list(context, groups);
  if (options.kernel_tls)
    SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  else
    SSL_CTX_set_read_ahead(context, 1);                         // one recv for a record's header and body
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets alone: other processes have no cache of ours
  SSL_CTX_set_timeout(context, TicketKeys::lifetime.count());
  constexpr unsigned char id[] = "serai";
  SSL_CTX_set_session_id_context(context, id, sizeof id);
}

}  // namespace

base::Result<std::shared_ptr<const CertificateSet>> CertificateSet::create(const Options& options,
                                                                           std::shared_ptr<TicketKeys> tickets) {
  if (options.certificates.empty()) return invalid_setting("there is no certificate", "name one with its key");
  std::shared_ptr<CertificateSet> set(new CertificateSet(std::move(tickets)));
  set->alpn_ = alpn_wire(options.alpn);
  if (auto read = set->read_authorities(options); !read) return std::unexpected(read.error());
  for (const KeyPair& pair : options.certificates) {
    auto credential = parse_credential(pair);
    if (!credential) return std::unexpected(credential.error());
    if (auto added = set->add(options, std::move(*credential)); !added) return std::unexpected(added.error());
  }
  return set;
}

base::Result<void> CertificateSet::read_authorities(const Options& options) {
  if (options.client_certificates == ClientCertificates::none) return {};
  const std::string& file = options.client_authorities_file;
  if (options.client_authorities.empty()) {
    return invalid_setting("client certificates are asked for, but no authority is known that could have signed them",
                           "name a file with the certificates of the authorities");
  }
  authorities_.reset(X509_STORE_new());
  BioPtr text = open_text(options.client_authorities);
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    authority_certificates_.emplace_back(next);
    X509_STORE_add_cert(authorities_.get(), next);
  }
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string reason = take_reason();
  if (at_end && !authority_certificates_.empty()) return {};
  return invalid_setting(at_end ? fmt::format("{} holds no certificate of an authority", file)
                                : fmt::format("the authorities' file {} is damaged: {}", file, reason),
                         "name a PEM file with the certificates of those who sign client certificates");
}

base::Result<ContextPtr> CertificateSet::make_context(const Options& options) const {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return base::fail(base::Kind::internal, "OpenSSL makes no context: {}", take_reason());
  set_behaviour(context.get(), options);
  if (auto set = set_ciphers(context.get(), options.ciphers); !set) return std::unexpected(set.error());
  SSL_CTX_set_app_data(context.get(), tickets_.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context.get(), on_ticket);
  // What SSL_CTX_set_tlsext_servername_callback does, without the cast of its macro.
  SSL_CTX_callback_ctrl(context.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, reinterpret_cast<void (*)()>(on_server_name));
  SSL_CTX_set_tlsext_servername_arg(context.get(), const_cast<CertificateSet*>(this));
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context.get(), on_alpn, const_cast<std::string*>(&alpn_));
  if (authorities_) {
    bool required = options.client_certificates == ClientCertificates::required;
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    SSL_CTX_set1_cert_store(context.get(), authorities_.get());
    for (const CertificatePtr& authority : authority_certificates_)
      SSL_CTX_add_client_CA(context.get(), authority.get());
    // A resumed session would vouch for a client whose certificate has run out or whose authority was withdrawn.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context.get(), 0);
  }
  return context;
}

// A certificate for the same names with a key of another kind, RSA beside ECDSA, shares the context: OpenSSL then
// takes what the client prefers.
SSL_CTX* CertificateSet::twin_of(const Credential& credential) const {
  int kind = EVP_PKEY_get_base_id(credential.key.get());
  SSL_CTX* twin = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.credential.names != credential.names) continue;
    if (EVP_PKEY_get_base_id(entry.credential.key.get()) == kind) return nullptr;
    twin = entry.context;
  }
  return twin;
}

base::Result<void> CertificateSet::add(const Options& options, Credential credential) {
  SSL_CTX* context = twin_of(credential);
  if (!context) {
    auto made = make_context(options);
    if (!made) return std::unexpected(made.error());
    contexts_.push_back(std::move(*made));
    context = contexts_.back().get();
    for (const std::string& name : credential.names) names_.add(name, contexts_.size() - 1);
  }
  bool taken = SSL_CTX_use_cert_and_key(context, credential.certificate.get(), credential.key.get(),
                                        credential.chain.get(), 1) == 1;
  if (!taken) {
    return invalid_setting(fmt::format("OpenSSL does not take the certificate {}: {}", credential.file, take_reason()),
                           "a key that is too small or a weak signature is refused: issue it anew");
  }
  auto pem = std::make_shared<const std::string>(credential.pem);
  entries_.push_back({std::move(credential), context, std::move(pem)});
  return {};
}

SSL_CTX* CertificateSet::find(std::string_view host) const {
  auto found = names_.find(host);
  return found && *found > 0 ? contexts_[*found].get() : nullptr;
}

std::shared_ptr<const std::string> CertificateSet::pem_of(const X509* certificate) const {
  for (const Entry& entry : entries_)
    if (entry.credential.certificate.get() == certificate) return entry.pem;
  return nullptr;
}

std::vector<std::string> CertificateSet::warnings() const {
  std::vector<std::string> all;
  for (const Entry& entry : entries_)
    if (std::string complaint = complaint_about_dates(entry.credential); !complaint.empty()) all.push_back(complaint);
  return all;
}

}  // namespace tls
