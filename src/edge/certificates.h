// What the edge shows to clients that speak TLS: the `certificates` message of the daemon.
//
//   {"type": "certificates", "ticket_secret": 64 hexadecimal digits, "ticket_period": n,       as tls::TicketSecret
//    "pairs": [{"certificate": PEM, "key": PEM, "certificate_file": …, "key_file": …}, …]}     the first is the default
//
// The secret counts in the first message only: it lets a successor resume the sessions of the edge before it.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "tls/context.h"
#include "tls/ticket_keys.h"

namespace edge {

struct Certificates {
  std::vector<tls::KeyPair> pairs;
  tls::TicketSecret secret;
};
base::Result<Certificates> parse_certificates(const nlohmann::json& message);

// Makes the context, or replaces the certificates of the one that is there: handshakes from now on use them. Broken
// ones change nothing. Gives warnings, such as of those that have expired.
base::Result<std::vector<std::string>> use_certificates(Certificates certificates,
                                                        std::shared_ptr<tls::Context>& context);

}  // namespace edge
