// The options --certificate and --key of the commands that speak TLS.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tls/certificate.h"

namespace cli {

struct CertificateOptions {
  std::vector<std::string> certificates, keys;
};
void add_certificate_options(CLI::App& command, CertificateOptions& options);
// Each certificate with its key, in order; folders, and files that hold their keys, have none. Absolute paths.
// `wanted`: TLS is to be spoken somewhere.
base::Result<std::vector<tls::KeyPairFiles>> pair_up(const CertificateOptions& options, bool wanted);

}  // namespace cli
