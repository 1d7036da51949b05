// tls::TicketKeys: the keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1), new ones every
// four hours. All processes with the same secret have the same keys at the same time without talking to each other:
//
//   secret of period n ──► secret of period n + 1 ──► …      (one way: a process that forgets the old secret
//          └─► keys of n          └─► keys of n + 1           cannot open old tickets again)
//
// A ticket lives for two periods, so the keys of the two periods before the current one still open tickets.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace tls {

struct TicketSecret {
  std::array<unsigned char, 32> bytes{};
  // Which period it belongs to, counted from the machine's boot; processes share what belongs to `now - 2` or earlier.
  std::int64_t period = -1;  // negative: none was given, take a random one

  static std::int64_t period_now();
  static TicketSecret random();
};

struct TicketKey {
  std::array<unsigned char, 16> name;
  std::array<unsigned char, 32> cipher;  // AES-256-CBC
  std::array<unsigned char, 32> mac;     // HMAC-SHA-256
};

class TicketKeys {
 public:
  static constexpr std::chrono::seconds period{4 * 3600};
  static constexpr std::chrono::seconds lifetime = 2 * period;

  explicit TicketKeys(const TicketSecret& secret);
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  ~TicketKeys();

  // Thread-safe. `now` is a period; the parameter is for tests.
  TicketKey current(std::int64_t now = TicketSecret::period_now());
  struct Found {
    TicketKey key;
    bool is_current;  // else the client is to be given a new ticket
  };
  std::optional<Found> find(std::string_view name, std::int64_t now = TicketSecret::period_now());

 private:
  void advance(std::int64_t now);

  std::mutex mutex_;
  TicketSecret oldest_;          // of the oldest period whose tickets are opened
  std::vector<TicketKey> keys_;  // from that period on to the current one
};

}  // namespace tls
