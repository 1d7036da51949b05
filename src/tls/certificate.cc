#include "tls/certificate.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/file.h"

namespace tls {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_file = 1 << 20;

base::Result<std::string> read_pem(const std::string& path, std::string_view what) {
  auto text = base::read_file(path, largest_file);
  if (text) return text;
  std::string advice = text.error().kind() == base::Kind::denied
                           ? "let the server's user read it"
                           : "check the path; it must be a PEM file that the server's user can read";
  return std::unexpected(std::move(text.error()).add_context(fmt::format("the {}", what)).with_advice(advice));
}

bool holds_key(const std::string& path) {
  auto text = base::read_file(path, largest_file);
  return text && text->find("PRIVATE KEY-----") != std::string::npos;
}

struct Files {
  std::string certificate, key;
};

// The pair that this entry of a folder stands for, or nothing.
Files files_at(const fs::path& entry) {
  std::error_code ignored;
  if (fs::is_directory(entry, ignored)) {
    fs::path chain = entry / "fullchain.pem", key = entry / "privkey.pem";
    if (fs::exists(chain, ignored) && fs::exists(key, ignored)) return {chain, key};
    return {};
  }
  if (entry.extension() != ".crt" && entry.extension() != ".pem") return {};
  fs::path key = fs::path(entry).replace_extension(".key");
  if (fs::exists(key, ignored)) return {entry, key};
  return holds_key(entry) ? Files{entry, ""} : Files{};
}

}  // namespace

base::Result<KeyPair> read_key_pair(const std::string& certificate_file, const std::string& key_file) {
  KeyPair pair;
  auto certificate = read_pem(certificate_file, "certificate");
  if (!certificate) return std::unexpected(certificate.error());
  pair.certificate_file = certificate_file;
  pair.key_file = key_file.empty() ? certificate_file : key_file;
  auto key = key_file.empty() ? certificate : read_pem(key_file, "private key");
  if (!key) return std::unexpected(key.error());
  pair.certificate = std::move(*certificate);
  pair.key = std::move(*key);
  return pair;
}

base::Result<std::vector<KeyPair>> read_key_pairs(const std::string& folder) {
  std::error_code failure;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, failure)) entries.push_back(entry.path());
  if (failure) {
    return std::unexpected(base::Error::from_errno("reading the folder of certificates " + folder, failure.value())
                               .with_advice("check the path and its permissions"));
  }
  std::ranges::sort(entries);
  std::vector<KeyPair> pairs;
  for (const fs::path& entry : entries) {
    Files files = files_at(entry);
    if (files.certificate.empty()) continue;
    auto pair = read_key_pair(files.certificate, files.key);
    if (!pair) return std::unexpected(pair.error());
    pairs.push_back(std::move(*pair));
  }
  if (!pairs.empty()) return pairs;
  return std::unexpected(base::Error(base::Kind::not_found, "the folder " + folder + " holds no certificate with a key",
                                     "put NAME.crt and NAME.key there, or folders with fullchain.pem and privkey.pem"));
}

base::Result<std::vector<KeyPair>> read_key_pairs(const std::vector<KeyPairFiles>& files) {
  std::vector<KeyPair> all;
  for (const auto& [certificate, key] : files) {
    std::error_code ignored;
    if (key.empty() && fs::is_directory(certificate, ignored)) {
      auto pairs = read_key_pairs(certificate);
      if (!pairs) return pairs;
      std::ranges::move(*pairs, std::back_inserter(all));
    } else {
      auto pair = read_key_pair(certificate, key);
      if (!pair) return std::unexpected(pair.error());
      all.push_back(std::move(*pair));
    }
  }
  return all;
}

}  // namespace tls
