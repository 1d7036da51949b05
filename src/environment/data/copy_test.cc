#include "environment/data/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;

class CopyTest : public testing::Test {
 protected:
  CopyTest() {
    std::string pattern = testing::TempDir() + "serai-copy-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    fs::create_directories(root_ / "from");
    fs::create_directories(root_ / "to");
  }
  ~CopyTest() override { fs::remove_all(root_); }

  void write(const std::string& path, std::string_view text) {
    fs::create_directories((root_ / "from" / path).parent_path());
    std::ofstream(root_ / "from" / path) << text;
  }
  base::Result<Copied> copy(std::uint64_t most_bytes = 1 << 20) {
    auto from = base::open((root_ / "from").string(), O_PATH | O_DIRECTORY).value();
    auto to = base::open((root_ / "to").string(), O_PATH | O_DIRECTORY).value();
    return copy_tree(from, to, {::geteuid(), ::getegid()}, most_bytes);
  }
  std::string copied(const std::string& path) { return base::read_file(root_ / "to" / path).value_or("(missing)"); }

  fs::path root_;
};

TEST_F(CopyTest, CopiesFoldersFilesAndTheirModes) {
  write("media/a/picture", "pixels");
  write("db.sqlite3", "SQLite format 3");
  fs::permissions(root_ / "from/media/a/picture", fs::perms::owner_all);
  auto result = copy();
  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(result->files, 2u);
  EXPECT_EQ(result->bytes, 21u);
  EXPECT_FALSE(result->changed_meanwhile);
  EXPECT_EQ(copied("media/a/picture"), "pixels");
  EXPECT_EQ(fs::status(root_ / "to/media/a/picture").permissions(), fs::perms::owner_all);
}

TEST_F(CopyTest, LinksStayLinksWhereverTheyLead) {
  write("secret", "x");
  fs::create_symlink("/etc/shadow", root_ / "from/outside");
  ASSERT_TRUE(copy());
  EXPECT_EQ(fs::read_symlink(root_ / "to/outside"), "/etc/shadow");
}

TEST_F(CopyTest, LeavesOutWhatHasNoContent) {
  ::mkfifo((root_ / "from/pipe").c_str(), 0600);
  EXPECT_EQ(copy()->left_out, 1u);
  EXPECT_FALSE(fs::exists(root_ / "to/pipe"));
}

TEST_F(CopyTest, RefusesMoreThanIsAllowed) {
  write("large", std::string(2000, 'x'));
  auto result = copy(1000);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), base::Kind::overloaded);
}

}  // namespace
}  // namespace environment
