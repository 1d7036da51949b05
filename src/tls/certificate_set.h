// tls::CertificateSet: the certificates of a listener at one time, each in an SSL_CTX of its own, and which of them a
// handshake takes. Immutable; lives as long as a session uses it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tls/credential.h"
#include "tls/name_table.h"
#include "tls/openssl.h"
#include "tls/options.h"
#include "tls/ticket_keys.h"

namespace tls {

class CertificateSet {
 public:
  static base::Result<std::shared_ptr<const CertificateSet>> create(const Options& options,
                                                                    std::shared_ptr<TicketKeys> tickets);

  // What a handshake begins with: the first certificate's.
  SSL_CTX* initial() const { return contexts_.front().get(); }
  // The context for a host; null: it is the initial one.
  SSL_CTX* find(std::string_view host) const;
  // PEM text of one of our certificates.
  std::shared_ptr<const std::string> pem_of(const X509* certificate) const;
  std::vector<std::string> warnings() const;

 private:
  explicit CertificateSet(std::shared_ptr<TicketKeys> tickets) : tickets_(std::move(tickets)) {}
  base::Result<void> add(const Options& options, Credential credential);
  base::Result<ContextPtr> make_context(const Options& options) const;
  SSL_CTX* twin_of(const Credential& credential) const;
  base::Result<void> read_authorities(const Options& options);

  std::shared_ptr<TicketKeys> tickets_;  // the contexts' callbacks use them
  std::string alpn_;                     // as on the wire; the contexts' callbacks use it
  StorePtr authorities_;
  std::vector<CertificatePtr> authority_certificates_;
  std::vector<ContextPtr> contexts_;
  struct Entry {
    Credential credential;
    SSL_CTX* context;
    std::shared_ptr<const std::string> pem;
  };
  std::vector<Entry> entries_;
  NameTable names_;
};

}  // namespace tls
