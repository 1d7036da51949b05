// tls::Context: what the sessions of one listener have in common: certificates, versions, ciphers, ALPN, ticket keys.
//
// Thread-safe. Certificates can be replaced at any time: handshakes that begin later use the new ones, sessions
// that exist keep theirs and stay open.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tls/options.h"

namespace tls {

class CertificateSet;
class Session;
class TicketKeys;

class Context {
 public:
  // Fails with a message that names the file, what is wrong with it, and what to do.
  static base::Result<std::unique_ptr<Context>> create(Options options);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  // Replaces our certificates and those of the clients' authorities. On failure all stays as it was.
  base::Result<void> replace(std::vector<KeyPair> certificates, std::string client_authorities = {});
  // Sentences on what works but should not stay so: certificates that have expired or are not valid yet.
  std::vector<std::string> warnings() const;

  // Whether handshakes for both hosts take the same certificate.
  bool serves_alike(std::string_view host, std::string_view other) const;

  // A session on a connected, non-blocking socket, which stays the caller's and must outlive it.
  base::Result<std::unique_ptr<Session>> accept(int socket) const;

 private:
  explicit Context(Options options);
  std::shared_ptr<const CertificateSet> certificates() const;

  Options options_;  // without certificates and authorities
  std::shared_ptr<TicketKeys> tickets_;
  mutable std::mutex mutex_;  // guards certificates_
  std::shared_ptr<const CertificateSet> certificates_;
};

}  // namespace tls
