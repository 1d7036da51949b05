#include "tls/context.h"

#include "tls/certificate_set.h"
#include "tls/session.h"

namespace tls {

Context::Context(Options options)
    : options_(std::move(options)), tickets_(std::make_shared<TicketKeys>(options_.ticket_secret)) {
  OPENSSL_cleanse(options_.ticket_secret.bytes.data(), options_.ticket_secret.bytes.size());
}

Context::~Context() = default;

base::Result<std::unique_ptr<Context>> Context::create(Options options) {
  auto certificates = std::exchange(options.certificates, {});
  auto authorities = std::exchange(options.client_authorities, {});
  std::unique_ptr<Context> context(new Context(std::move(options)));
  auto taken = context->replace(std::move(certificates), std::move(authorities));
  if (!taken) return std::unexpected(taken.error());
  return context;
}

base::Result<void> Context::replace(std::vector<KeyPair> certificates, std::string client_authorities) {
  Options options = options_;
  options.certificates = std::move(certificates);
  options.client_authorities = std::move(client_authorities);
  auto set = CertificateSet::create(options, tickets_);
  for (KeyPair& pair : options.certificates) OPENSSL_cleanse(pair.key.data(), pair.key.size());
  if (!set) return std::unexpected(set.error());
  std::lock_guard lock(mutex_);
  certificates_ = std::move(*set);
  return {};
}

std::shared_ptr<const CertificateSet> Context::certificates() const {
  std::lock_guard lock(mutex_);
  return certificates_;
}

bool Context::serves_alike(std::string_view host, std::string_view other) const {
  auto set = certificates();
  auto chosen = [&](std::string_view name) {
    auto* found = set->find(name);
    return found ? found : set->initial();
  };
  return chosen(host) == chosen(other);
}

std::vector<std::string> Context::warnings() const { return certificates()->warnings(); }

base::Result<std::unique_ptr<Session>> Context::accept(int socket) const {
  std::unique_ptr<Session> session(new Session(socket, certificates()));
  if (!session->begin(options_.kernel_tls)) {
    return base::fail(base::Kind::overloaded, "OpenSSL has no memory for a session");
  }
  return session;
}

}  // namespace tls
