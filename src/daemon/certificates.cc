#include "daemon/certificates.h"

#include <nlohmann/json.hpp>

namespace control_plane {
namespace {

using nlohmann::json;

// Tickets of two periods before the current one are opened: the secret must be that old for all to begin alike.
tls::TicketSecret make_secret() {
  auto secret = tls::TicketSecret::random();
  secret.period = std::max<std::int64_t>(0, tls::TicketSecret::period_now() - 2);
  return secret;
}

std::string hexadecimal(const tls::TicketSecret& secret) {
  std::string text;
  for (unsigned char byte : secret.bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// Equal texts: the same certificates, or the same trouble.
std::string outcome(const base::Result<std::string>& read) { return read ? *read : read.error().describe(); }

}  // namespace

Certificates::Certificates(std::vector<tls::KeyPairFiles> files) : files_(std::move(files)), secret_(make_secret()) {}

base::Result<std::string> Certificates::read_message() const {
  auto pairs = tls::read_key_pairs(files_);
  if (!pairs) return std::unexpected(pairs.error());
  auto list = json::array();
  for (const auto& pair : *pairs) {
    list.push_back({{"certificate", pair.certificate},
                    {"key", pair.key},
                    {"certificate_file", pair.certificate_file},
                    {"key_file", pair.key_file}});
  }
  json message{{"type", "certificates"},
               {"pairs", std::move(list)},
               {"ticket_secret", hexadecimal(secret_)},
               {"ticket_period", secret_.period}};
  return message.dump(-1, ' ', false, json::error_handler_t::replace);  // files that are no PEM: the edge says so
}

base::Result<std::string> Certificates::read() {
  auto message = read_message();
  last_ = outcome(message);
  return message;
}

bool Certificates::have_changed() const { return outcome(read_message()) != last_; }

}  // namespace control_plane
