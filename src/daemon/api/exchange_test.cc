#include "daemon/api/exchange.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

namespace control_plane::api {
namespace {

// What a peer that sends these bytes and waits gets.
std::string answer_to(const std::string& bytes) {
  auto sockets = base::socketpair(SOCK_STREAM);
  EXPECT_TRUE(base::write_all(sockets->theirs.get(), bytes));
  {
    Exchange exchange(std::move(sockets->ours), 0);
    auto asked = exchange.read_head();
    EXPECT_FALSE(asked);
    if (!asked) exchange.answer(asked.error());
  }
  return base::read_all(sockets->theirs.get(), 1 << 20).value_or("");
}

TEST(Exchange, AnswersAMalformedHeadBeforeItCloses) {
  for (std::string bytes : {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHost serai\r\n\r\n", "GET /\x01 HTTP/1.1\r\n\r\n",
                            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    auto answer = answer_to(bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << bytes << answer;
    auto body = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
    EXPECT_EQ(body.value("kind", ""), "invalid") << answer;
    EXPECT_NE(answer.find("connection: close"), std::string::npos) << answer;
  }
}

}  // namespace
}  // namespace control_plane::api
