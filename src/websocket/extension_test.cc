#include "websocket/extension.h"

#include <gtest/gtest.h>

namespace websocket {
namespace {

std::string answer(std::string_view offers, DeflateLimits limits = {}) {
  auto accepted = accept_deflate(offers, limits);
  return accepted ? accepted->answer : "none";
}

TEST(Extension, AcceptsAnOfferWithoutParameters) {
  auto accepted = accept_deflate("permessage-deflate", {});
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->answer, "permessage-deflate");
  EXPECT_EQ(accepted->agreement.from_server.bits, 12);  // smaller than it may be: nobody need know
  EXPECT_EQ(accepted->agreement.from_client.bits, 15);  // the client was not asked for less
  EXPECT_TRUE(accepted->agreement.from_server.keeps_context);
  EXPECT_TRUE(accepted->agreement.from_client.keeps_context);
}

TEST(Extension, TakesTheSmallerOfBothWindows) {
  EXPECT_EQ(answer("permessage-deflate; client_max_window_bits; server_max_window_bits=10"),
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12");
  EXPECT_EQ(answer("Permessage-Deflate ;client_max_window_bits=\"9\" ;  server_max_window_bits = 15"),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9");
  EXPECT_EQ(answer("permessage-deflate; client_max_window_bits=8", {15, 15}),
            "permessage-deflate; client_max_window_bits=8");
}

TEST(Extension, ForgetsContextsWhereTheClientWants) {
  auto accepted = accept_deflate("permessage-deflate; server_no_context_takeover; client_no_context_takeover", {});
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->answer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
  EXPECT_FALSE(accepted->agreement.from_server.keeps_context);
  EXPECT_FALSE(accepted->agreement.from_client.keeps_context);
}

TEST(Extension, PassesOverOffersThatItCannotKeep) {
  for (std::string_view offer :
       {"", "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010", "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=\"\"",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=\"\"",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate; =; x",
        "permessage-deflate; \"client_max_window_bits\""}) {
    EXPECT_EQ(answer(offer), "none") << offer;
    EXPECT_EQ(answer(std::string(offer) + ", permessage-deflate"), "permessage-deflate") << offer;
  }
}

}  // namespace
}  // namespace websocket
