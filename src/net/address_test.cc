#include "net/address.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace net {
namespace {

TEST(Address, TheTextFormsAreReadAndWritten) {
  for (auto text : {"127.0.0.1:8000", "[::1]:80", "unix:/run/x.sock", "fd://3", ":8080"}) {
    auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_string(*address), text);
  }
  EXPECT_EQ(to_string(parse_address("/run/x.sock").value()), "unix:/run/x.sock");
}

TEST(Address, WrongFormsSayWhatWasExpected) {
  for (auto text : {"localhost", "a:b", "::1:80", "fd://x", "h:70000", ""}) EXPECT_FALSE(parse_address(text)) << text;
}

TEST(Address, AConnectionIsAcceptedOnBothFamilies) {
  auto listener = listen(TcpAddress{"", 0});
  ASSERT_TRUE(listener) << listener.error().describe();
  auto port = std::get<TcpAddress>(local_address(listener->get()).value()).port;
  for (auto host : {"127.0.0.1", "::1"}) {
    auto client = connect(TcpAddress{host, port});
    ASSERT_TRUE(client) << client.error().describe();
    auto accepted = accept(listener->get());
    ASSERT_TRUE(accepted && *accepted);
    EXPECT_EQ((*accepted)->peer_host, host);
  }
  EXPECT_FALSE(*accept(listener->get()));
}

TEST(Address, AStaleUnixSocketIsReplacedAndALiveOneIsAConflict) {
  std::string path = "/tmp/serai-net-" + std::to_string(::getpid()) + ".sock";
  {
    auto first = listen(UnixAddress{path});
    ASSERT_TRUE(first);
  }
  auto second = listen(UnixAddress{path});
  ASSERT_TRUE(second) << second.error().describe();
  auto third = listen(UnixAddress{path});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind(), base::Kind::conflict);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace net
