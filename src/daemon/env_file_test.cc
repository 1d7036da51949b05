#include "daemon/env_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

namespace control_plane {
namespace {

TEST(EnvFile, KeepsValuesForTheirOwnerOnly) {
  char pattern[] = "/tmp/serai-env-XXXXXX";
  std::filesystem::path folder = ::mkdtemp(pattern);
  ASSERT_TRUE(write_env_file(folder, 3, {{"KEY", "value"}}));
  struct stat facts{};
  ASSERT_EQ(::stat((folder / "3.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(read_env_file(folder, 3)->at("KEY"), "value");
  EXPECT_TRUE(read_env_file(folder, 0)->empty());
  EXPECT_FALSE(read_env_file(folder, 4));
  std::filesystem::remove_all(folder);
}

TEST(EnvFile, RefusesBadNamesWithoutPrintingValues) {
  for (const char* name : {"", "1A", "A-B", "PORT", "LD_PRELOAD"}) {
    auto checked = check_variables({{name, "hush"}});
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().describe().find("hush"), std::string::npos);
  }
  EXPECT_TRUE(check_variables({{"SECRET_KEY", "x"}, {"_a1", ""}}));
}

TEST(EnvFile, GeneratesSecretsOfTheLengthAsked) {
  auto one = generate_secret(50), other = generate_secret(50);
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->size(), 50u);
  EXPECT_NE(*one, *other);
}

}  // namespace
}  // namespace control_plane
