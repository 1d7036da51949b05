#include "edge/certificates.h"

#include <nlohmann/json.hpp>

namespace edge {
namespace {

using nlohmann::json;

base::Result<std::string> text_of(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return base::invalid("certificates: \"{}\" must be a text", name);
  return found->get<std::string>();
}

base::Result<tls::TicketSecret> secret_of(const json& message) {
  auto digits = text_of(message, "ticket_secret");
  if (!digits) return std::unexpected(digits.error());
  tls::TicketSecret secret;
  auto period = message.find("ticket_period");
  bool good = digits->size() == 2 * secret.bytes.size() &&
              digits->find_first_not_of("0123456789abcdef") == std::string::npos && period != message.end() &&
              period->is_number_integer() && *period >= 0;
  if (!good) return base::invalid("certificates: \"ticket_secret\" and \"ticket_period\" make no secret");
  for (std::size_t i = 0; i < secret.bytes.size(); i++)
    secret.bytes[i] = static_cast<unsigned char>(std::stoi(digits->substr(2 * i, 2), nullptr, 16));
  secret.period = period->get<std::int64_t>();
  return secret;
}

base::Result<tls::KeyPair> pair_of(const json& object) {
  if (!object.is_object()) return base::invalid("certificates: a pair must be an object");
  tls::KeyPair pair;
  const std::pair<const char*, std::string*> members[] = {{"certificate", &pair.certificate},
                                                          {"key", &pair.key},
                                                          {"certificate_file", &pair.certificate_file},
                                                          {"key_file", &pair.key_file}};
  for (auto [name, member] : members) {
    auto text = text_of(object, name);
    if (!text) return std::unexpected(text.error());
    *member = std::move(*text);
  }
  return pair;
}

base::Result<std::vector<tls::KeyPair>> pairs_of(const json& message) {
  auto list = message.find("pairs");
  if (list == message.end() || !list->is_array() || list->empty()) {
    return base::invalid("certificates: \"pairs\" must be a list that is not empty");
  }
  std::vector<tls::KeyPair> pairs;
  for (const auto& object : *list) {
    auto pair = pair_of(object);
    if (!pair) return std::unexpected(pair.error());
    pairs.push_back(std::move(*pair));
  }
  return pairs;
}

}  // namespace

base::Result<Certificates> parse_certificates(const json& message) {
  auto pairs = pairs_of(message);
  if (!pairs) return std::unexpected(pairs.error());
  auto secret = secret_of(message);
  if (!secret) return std::unexpected(secret.error());
  return Certificates{std::move(*pairs), *secret};
}

base::Result<std::vector<std::string>> use_certificates(Certificates certificates,
                                                        std::shared_ptr<tls::Context>& context) {
  if (context) {
    if (auto replaced = context->replace(std::move(certificates.pairs)); !replaced) {
      return std::unexpected(replaced.error());
    }
    return context->warnings();
  }
  tls::Options options;
  options.certificates = std::move(certificates.pairs);
  options.alpn = {"h2", "http/1.1"};
  options.ticket_secret = certificates.secret;
  auto made = tls::Context::create(std::move(options));
  if (!made) return std::unexpected(made.error());
  context = std::move(*made);
  return context->warnings();
}

}  // namespace edge
