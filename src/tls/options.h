// tls::Options: what a listener is to speak. The defaults follow Mozilla's "intermediate" profile, version 5.7, without
// its finite-field key exchange, which costs a server more than its client.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tls/certificate.h"
#include "tls/ticket_keys.h"

namespace tls {

enum class ClientCertificates : std::uint8_t { none, optional, required };
enum class Version : std::uint16_t { tls_1_2 = 0x0303, tls_1_3 = 0x0304 };  // the numbers on the wire

struct Options {
  std::vector<KeyPair> certificates;  // at least one; the first serves clients that name no host, or an unknown one
  ClientCertificates client_certificates = ClientCertificates::none;
  std::string client_authorities;       // PEM of the authorities that may sign client certificates
  std::string client_authorities_file;  // what messages call them
  Version least_version = Version::tls_1_2;
  std::string ciphers;            // OpenSSL's names joined by colons, of TLS 1.2 and 1.3 alike; empty: the defaults
  std::vector<std::string> alpn;  // for example {"h2", "http/1.1"}, the best first; empty: none is negotiated
  TicketSecret ticket_secret;     // shared by all processes that are to resume each other's sessions
  bool kernel_tls = false;        // let the kernel encrypt where it can; the process must ignore SIGPIPE then
};

}  // namespace tls
