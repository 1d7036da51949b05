#include "tls/ticket_keys.h"

#include <gtest/gtest.h>

namespace tls {
namespace {

std::string_view name_of(const TicketKey& key) { return {reinterpret_cast<const char*>(key.name.data()), 16}; }

TicketSecret secret_of(std::int64_t period) {
  TicketSecret secret;
  secret.bytes.fill(7);
  secret.period = period;
  return secret;
}

TEST(TicketKeys, AreTheSameForAllWhoShareASecretWheneverTheyLook) {
  TicketKeys early(secret_of(100)), late(secret_of(100));
  (void)early.current(103);
  EXPECT_EQ(early.current(110).cipher, late.current(110).cipher);
  EXPECT_EQ(early.current(110).mac, late.current(110).mac);
}

TEST(TicketKeys, OpenTicketsOfTwoPeriodsBeforeAndNoOlderOnes) {
  TicketKeys keys(secret_of(100));
  TicketKey old = keys.current(102);
  auto same = keys.find(name_of(old), 102);
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->is_current);
  auto later = keys.find(name_of(old), 104);
  ASSERT_TRUE(later);
  EXPECT_FALSE(later->is_current);
  EXPECT_EQ(later->key.cipher, old.cipher);
  EXPECT_FALSE(keys.find(name_of(old), 105));
}

TEST(TicketKeys, OfASecretThatWasHandedOnOpenTheTicketsOfItsFirstOwner) {
  TicketKeys master(secret_of(100));
  TicketKey ticket = master.current(102);
  TicketSecret handed_on = secret_of(100);
  TicketKeys worker(handed_on);
  EXPECT_TRUE(worker.find(name_of(ticket), 104));
}

TEST(TicketKeys, OfDifferentSecretsDiffer) {
  TicketKeys one(TicketSecret::random()), other(TicketSecret::random());
  EXPECT_NE(one.current().name, other.current().name);
  EXPECT_FALSE(other.find(name_of(one.current())));
}

TEST(TicketKeys, ServeWhileTheClockStandsBeforeTheSecretsPeriod) {
  TicketKeys keys(secret_of(100));
  EXPECT_TRUE(keys.find(name_of(keys.current(3)), 3));
}

}  // namespace
}  // namespace tls
