#include "base/fd.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace base {
namespace {

class Folder : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(path_.data()), nullptr); }
  void TearDown() override { (void)remove_tree(path_); }
  std::string path_ = "/tmp/serai-base-XXXXXX";
};

TEST(Fd, MovingLeavesTheSourceEmpty) {
  auto ends = pipe();
  ASSERT_TRUE(ends);
  Fd moved = std::move(ends->read);
  EXPECT_TRUE(moved.is_open());
  EXPECT_FALSE(ends->read.is_open());
}

TEST(Fd, ReadOfAnEmptyNonblockingPipeIsAnEmptyOptional) {
  auto ends = pipe();
  ASSERT_TRUE(ends);
  ASSERT_TRUE(set_nonblocking(ends->read.get(), true));
  char buffer[8];
  auto n = read_some(ends->read.get(), buffer);
  ASSERT_TRUE(n);
  EXPECT_FALSE(*n);
}

TEST_F(Folder, OpenBeneathRefusesToLeaveTheFolder) {
  ASSERT_TRUE(make_folders(path_ + "/inside"));
  ASSERT_EQ(::symlink("/etc", (path_ + "/inside/link").c_str()), 0);
  auto dir = open(path_ + "/inside", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(dir);
  EXPECT_FALSE(open_beneath(dir->get(), "../../etc/passwd", O_RDONLY));
  EXPECT_FALSE(open_beneath(dir->get(), "link/passwd", O_RDONLY));
}

TEST_F(Folder, AnAtomicWriteReplacesTheWholeFile) {
  ASSERT_TRUE(write_file_atomically(path_ + "/f", "first"));
  ASSERT_TRUE(write_file_atomically(path_ + "/f", "second", 0600));
  EXPECT_EQ(read_file(path_ + "/f").value(), "second");
  struct stat info;
  ASSERT_EQ(::stat((path_ + "/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Folder, ReadFileSaysWhichFileWasMissing) {
  auto content = read_file(path_ + "/missing");
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().kind(), Kind::not_found);
  EXPECT_NE(content.error().describe().find("/missing"), std::string::npos);
}

}  // namespace
}  // namespace base
