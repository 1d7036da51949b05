#include "app/host_service.h"

#include <gtest/gtest.h>

#include "app/manifest.h"

namespace app {
namespace {

std::string parsed(std::string_view text) {
  auto service = parse_service(text);
  return service ? service->host + " " + std::to_string(service->port) : "none";
}

TEST(HostService, IsALoopbackAddressWithItsPort) {
  EXPECT_EQ(parsed("localhost:5432"), "localhost 5432");
  EXPECT_EQ(parsed("127.0.0.1:6379"), "127.0.0.1 6379");
  EXPECT_EQ(parsed("127.1.2.3:65535"), "127.1.2.3 65535");
  EXPECT_EQ(parsed("[::1]:5432"), "::1 5432");
}

TEST(HostService, IsNothingElse) {
  for (const char* text : {"", "localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:+1", ":5432",
                           "10.0.0.1:5432", "example.org:5432", "[::2]:1", "::1:5432", "127.1:5432", "localhost:54 "})
    EXPECT_EQ(parsed(text), "none") << text;
}

TEST(HostService, SeraiTomlNamesWhatIsWrongWithOne) {
  auto manifest = Manifest::parse("[environment]\nservices = [\"localhost:5432\", \"db.example.org:5432\"]\n");
  ASSERT_FALSE(manifest);
  EXPECT_NE(manifest.error().describe().find("\"db.example.org:5432\" must be a loopback address of the host"),
            std::string::npos)
      << manifest.error().describe();
}

}  // namespace
}  // namespace app
