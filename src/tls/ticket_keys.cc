#include "tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tls {
namespace {

constexpr std::int64_t periods_opened = 2;  // before the current one

using Digest = std::array<unsigned char, 32>;

Digest derive(const Digest& secret, std::string_view label) {
  Digest digest;
  unsigned size = 0;
  auto* text = reinterpret_cast<const unsigned char*>(label.data());
  if (!HMAC(EVP_sha256(), secret.data(), secret.size(), text, label.size(), digest.data(), &size)) {
    base::panic("OpenSSL cannot compute HMAC-SHA-256");
  }
  return digest;
}

TicketKey key_of(const Digest& secret) {
  TicketKey key;
  Digest name = derive(secret, "serai ticket name");
  std::copy_n(name.begin(), key.name.size(), key.name.begin());
  key.cipher = derive(secret, "serai ticket cipher");
  key.mac = derive(secret, "serai ticket mac");
  return key;
}

void move_on(TicketSecret& secret) {
  secret.bytes = derive(secret.bytes, "serai next period");
  secret.period++;
}

void wipe(std::vector<TicketKey>& keys) {
  OPENSSL_cleanse(keys.data(), keys.size() * sizeof(TicketKey));
  keys.clear();
}

}  // namespace

std::int64_t TicketSecret::period_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec / TicketKeys::period.count();
}

TicketSecret TicketSecret::random() {
  TicketSecret secret;
  if (RAND_bytes(secret.bytes.data(), static_cast<int>(secret.bytes.size())) != 1) {
    base::panic("OpenSSL has no random numbers");
  }
  secret.period = std::max<std::int64_t>(0, period_now() - periods_opened);
  return secret;
}

TicketKeys::TicketKeys(const TicketSecret& secret) : oldest_(secret.period < 0 ? TicketSecret::random() : secret) {}

TicketKeys::~TicketKeys() {
  wipe(keys_);
  OPENSSL_cleanse(oldest_.bytes.data(), oldest_.bytes.size());
}

void TicketKeys::advance(std::int64_t now) {
  auto last = oldest_.period + static_cast<std::int64_t>(keys_.size()) - 1;
  if (!keys_.empty() && last >= now) return;
  while (oldest_.period < now - periods_opened) move_on(oldest_);
  wipe(keys_);
  TicketSecret secret = oldest_;
  keys_.reserve(periods_opened + 1);  // growing would leave copies behind
  do {
    keys_.push_back(key_of(secret.bytes));
    move_on(secret);
  } while (secret.period <= now);
  OPENSSL_cleanse(secret.bytes.data(), secret.bytes.size());
}

TicketKey TicketKeys::current(std::int64_t now) {
  std::lock_guard lock(mutex_);
  advance(now);
  return keys_.back();
}

std::optional<TicketKeys::Found> TicketKeys::find(std::string_view name, std::int64_t now) {
  std::lock_guard lock(mutex_);
  advance(now);
  for (const TicketKey& key : keys_) {
    bool same = name.size() == key.name.size() && std::memcmp(name.data(), key.name.data(), name.size()) == 0;
    if (same) return Found{key, &key == &keys_.back()};
  }
  return std::nullopt;
}

}  // namespace tls
