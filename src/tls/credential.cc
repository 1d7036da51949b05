#include "tls/credential.h"

#include <openssl/pem.h>

#include <algorithm>

#include "tls/name_table.h"

namespace tls {
namespace {

std::unexpected<base::Error> useless(std::string message, std::string advice) {
  return std::unexpected(base::Error(base::Kind::invalid, std::move(message), std::move(advice)));
}

// OpenSSL would ask on the terminal; notes that there is a password instead.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

base::Result<void> parse_certificates(const KeyPair& pair, Credential& into) {
  BioPtr text = open_text(pair.certificate);
  into.certificate.reset(PEM_read_bio_X509_AUX(text.get(), nullptr, nullptr, nullptr));
  if (!into.certificate) {
    bool is_der = pair.certificate.starts_with('\x30');
    bool has_none = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    std::string reason = take_reason();
    if (is_der) {
      return useless(
          fmt::format("the certificate {} is not PEM but looks like DER", pair.certificate_file),
          fmt::format("convert it: openssl x509 -inform der -in {} -out certificate.pem", pair.certificate_file));
    }
    if (has_none) {
      return useless(fmt::format("{} holds no certificate", pair.certificate_file),
                     "name a PEM file with \"-----BEGIN CERTIFICATE-----\", such as certbot's fullchain.pem");
    }
    return useless(fmt::format("the certificate {} is damaged: {}", pair.certificate_file, reason),
                   "get it anew from whoever issued it");
  }
  into.chain.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) sk_X509_push(into.chain.get(), next);
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string reason = take_reason();
  if (at_end) return {};
  return useless(fmt::format("certificate {} of {} is damaged: {}", sk_X509_num(into.chain.get()) + 2,
                             pair.certificate_file, reason),
                 "get the chain anew from whoever issued it");
}

base::Result<void> parse_key(const KeyPair& pair, Credential& into) {
  BioPtr text = open_text(pair.key);
  bool is_encrypted = false;
  into.key.reset(PEM_read_bio_PrivateKey(text.get(), nullptr, refuse_password, &is_encrypted));
  std::string reason = into.key ? "" : take_reason();
  if (is_encrypted) {
    return useless(fmt::format("the private key {} is encrypted", pair.key_file),
                   fmt::format("decrypt it, since a server starts without anybody to type a password: openssl pkey -in "
                               "{} -out plain.key",
                               pair.key_file));
  }
  if (!into.key && pair.key.find("PRIVATE KEY-----") == std::string::npos) {
    return useless(fmt::format("{} holds no private key", pair.key_file),
                   "name the PEM file with the key, such as certbot's privkey.pem");
  }
  if (!into.key) {
    return useless(fmt::format("the private key {} is damaged: {}", pair.key_file, reason),
                   "restore it, or make a new key and certificate");
  }
  if (X509_check_private_key(into.certificate.get(), into.key.get()) == 1) return {};
  ERR_clear_error();
  return useless(
      fmt::format("the private key {} does not belong to the certificate {}", pair.key_file, pair.certificate_file),
      "the file must begin with the server's own certificate; name the key that it was issued for");
}

std::string text_of(const ASN1_STRING* string) {
  auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  return {data, static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// RFC 6125 section 6.4.4: the common name counts only where no alternative name is a host.
std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  auto free_names = [](GENERAL_NAMES* all) { GENERAL_NAMES_free(all); };
  std::unique_ptr<GENERAL_NAMES, decltype(free_names)> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) names.push_back(normal_name(text_of(name->d.dNSName)));
  }
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (names.empty() && place >= 0) {
    names.push_back(normal_name(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)))));
  }
  std::ranges::sort(names);
  return names;
}

std::string date_text(const ASN1_TIME* time) {
  BioPtr out(BIO_new(BIO_s_mem()));
  ASN1_TIME_print_ex(out.get(), time, ASN1_DTFLGS_ISO8601);
  char* text = nullptr;
  long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

std::string to_pem(X509* certificate) {
  BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate);
  char* text = nullptr;
  long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

base::Result<Credential> parse_credential(const KeyPair& pair) {
  ERR_clear_error();
  Credential credential;
  if (auto parsed = parse_certificates(pair, credential); !parsed) return std::unexpected(parsed.error());
  if (auto parsed = parse_key(pair, credential); !parsed) return std::unexpected(parsed.error());
  credential.names = names_of(credential.certificate.get());
  credential.pem = to_pem(credential.certificate.get());
  credential.file = pair.certificate_file;
  return credential;
}

std::string complaint_about_dates(const Credential& credential) {
  const ASN1_TIME* begin = X509_get0_notBefore(credential.certificate.get());
  const ASN1_TIME* end = X509_get0_notAfter(credential.certificate.get());
  if (X509_cmp_current_time(end) < 0) {
    return fmt::format("the certificate {} expired on {}: renew it, then reload", credential.file, date_text(end));
  }
  if (X509_cmp_current_time(begin) > 0) {
    return fmt::format("the certificate {} is not valid before {}: check the clock", credential.file, date_text(begin));
  }
  return {};
}

}  // namespace tls
