#include "worker/secure/port.h"

#include <algorithm>

#include "base/log.h"
#include "worker/secure/handshake.h"
#include "worker/server.h"

namespace worker::secure {
namespace {

// Certificates times versions times ciphers in use; replaced certificates leave some behind.
constexpr std::size_t most_shared = 64;

bool is_same(const tls::Facts& one, const tls::Facts& other) {
  return one.version == other.version && one.cipher_suite == other.cipher_suite &&
         one.server_certificate == other.server_certificate;
}

}  // namespace

std::unique_ptr<Client> Port::begin(base::Fd socket, Ends ends) {
  if (in_progress_.size() >= most_handshakes) {
    server_.counters().add(Counter::limits_hit);
    in_progress_.front()->close();
  }
  auto session = context_->accept(socket.get());
  if (!session) {
    base::log(base::Level::warning, "tls.no_session", {{"error", session.error().describe()}}, "a client is refused");
    return nullptr;
  }
  return std::make_unique<Handshake>(server_, *this, std::move(socket), std::move(ends), std::move(*session));
}

std::shared_ptr<const tls::Facts> Port::share(tls::Facts facts) {
  if (!facts.client_chain.empty()) return std::make_shared<const tls::Facts>(std::move(facts));
  auto found = std::ranges::find_if(shared_, [&](const auto& known) { return is_same(*known, facts); });
  if (found != shared_.end()) return *found;
  if (shared_.size() >= most_shared) shared_.clear();
  return shared_.emplace_back(std::make_shared<const tls::Facts>(std::move(facts)));
}

}  // namespace worker::secure
