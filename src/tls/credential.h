// tls::Credential: a key pair whose content has been read and found to be of use.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"
#include "tls/openssl.h"

namespace tls {

struct Credential {
  CertificatePtr certificate;
  ChainPtr chain;  // the intermediate ones, perhaps none
  KeyPtr key;
  std::vector<std::string> names;  // the hosts it is for, in normal form, sorted; perhaps none
  std::string pem;                 // of the certificate alone
  std::string file;                // its own, for messages
};

base::Result<Credential> parse_credential(const KeyPair& pair);

// Why the certificate does not count today ("… expired on …"), or empty.
std::string complaint_about_dates(const Credential& credential);

}  // namespace tls
