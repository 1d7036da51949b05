#include "cli/certificates.h"

#include <filesystem>

namespace cli {

namespace fs = std::filesystem;

namespace {

std::unexpected<base::Error> wrong_use(std::string found, std::string advice) {
  return std::unexpected(base::Error(base::Kind::invalid, std::move(found), std::move(advice)));
}

}  // namespace

void add_certificate_options(CLI::App& command, CertificateOptions& options) {
  command
      .add_option("--certificate", options.certificates,
                  "PEM file of a certificate and its chain, or a folder of such (repeatable; the first is the default)")
      ->type_size(1)
      ->allow_extra_args(false);
  command
      .add_option("--key", options.keys, "Its private key, in the same order; none for folders and files that hold it")
      ->type_size(1)
      ->allow_extra_args(false);
}

base::Result<std::vector<tls::KeyPairFiles>> pair_up(const CertificateOptions& options, bool wanted) {
  if (wanted == options.certificates.empty()) {
    return wanted
               ? wrong_use("--listen-tls is given, but no --certificate", "name the certificate and its --key, too")
               : wrong_use("--certificate is given, but no --listen-tls", "say where TLS is spoken: --listen-tls :443");
  }
  std::error_code ignored;
  auto is_folder = [&](const std::string& path) { return fs::is_directory(path, ignored); };
  auto files = static_cast<std::size_t>(std::ranges::count_if(options.certificates, std::not_fn(is_folder)));
  if (!options.keys.empty() && options.keys.size() != files) {
    return wrong_use(fmt::format("--certificate names {} files, --key {}", files, options.keys.size()),
                     "give one --key for each certificate file, in order, or none where the files hold their keys");
  }
  std::vector<tls::KeyPairFiles> pairs;
  auto key = options.keys.begin();
  for (const auto& path : options.certificates) {
    bool has_key = key != options.keys.end() && !is_folder(path);
    pairs.push_back({fs::absolute(path, ignored), has_key ? fs::absolute(*key++, ignored).string() : std::string()});
  }
  return pairs;
}

}  // namespace cli
