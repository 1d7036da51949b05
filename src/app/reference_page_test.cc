#include <gtest/gtest.h>

#include <cstdlib>

#include "app/schema.h"
#include "base/file.h"

namespace app {
namespace {

// SERAI_WRITE_PAGES=1 writes the page anew after the table changed.
TEST(ReferencePage, IsWhatTheSettingsTableSays) {
  auto path = std::filesystem::path(APP_SOURCE_FOLDER) / "../../docs/serai-toml.md";
  if (std::getenv("SERAI_WRITE_PAGES")) {
    ASSERT_TRUE(base::write_file_atomically(path, reference_page()));
  }
  auto page = base::read_file(path);
  ASSERT_TRUE(page);
  EXPECT_TRUE(*page == reference_page())
      << "docs/serai-toml.md is not what src/app/schema.cc says: run this test with SERAI_WRITE_PAGES=1";
}

TEST(Schema, DescribesEverySettingOnce) {
  for (const auto& setting : settings()) {
    EXPECT_EQ(
        find_setting(setting.path.ends_with(".*") ? std::string(setting.path.substr(0, setting.path.size() - 1)) + "x"
                                                  : std::string(setting.path)),
        &setting)
        << setting.path;
    EXPECT_FALSE(setting.help.empty()) << setting.path;
    EXPECT_EQ(setting.type == Type::anything && setting.later.empty(), false) << setting.path;
  }
}

}  // namespace
}  // namespace app
