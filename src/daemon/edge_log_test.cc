#include "daemon/edge_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;

class EdgeLogTest : public testing::Test {
 protected:
  EdgeLogTest() {
    std::string name = (fs::temp_directory_path() / "edge-log-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~EdgeLogTest() override { (void)base::remove_tree(folder_); }

  void append(const std::string& text) {
    auto log = open_edge_log(folder_);
    ASSERT_TRUE(log) << log.error().describe();
    ASSERT_TRUE(base::write_all(log->get(), text));
  }
  std::string content(const char* name) const { return base::read_file(folder_ / name).value_or("(none)"); }

  fs::path folder_;
};

TEST_F(EdgeLogTest, IsAppendedTo) {
  append("one ");
  append("two");
  EXPECT_EQ(content("edge.log"), "one two");
}

TEST_F(EdgeLogTest, IsNeverWrittenThroughALinkOrAFifo) {
  std::ofstream(folder_ / "shadow") << "secret";
  fs::create_symlink("shadow", folder_ / "edge.log");
  append("a");
  fs::remove(folder_ / "edge.log");
  fs::create_hard_link(folder_ / "shadow", folder_ / "edge.log");
  append("b");
  EXPECT_EQ(content("edge.log"), "b");
  fs::remove(folder_ / "edge.log");
  ASSERT_EQ(::mkfifo((folder_ / "edge.log").c_str(), 0600), 0);
  append("c");
  EXPECT_EQ(content("edge.log"), "c");
  EXPECT_EQ(content("shadow"), "secret");
}

TEST_F(EdgeLogTest, KeepsFiveOlderOnesOnceItIsLarge) {
  append("new");
  EXPECT_FALSE(rotate_if_large(folder_ / "edge.log"));
  for (int round = 0; round < 7; round++) {
    append(std::to_string(round));
    fs::resize_file(folder_ / "edge.log", 64 << 20);
    EXPECT_TRUE(rotate_if_large(folder_ / "edge.log"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "edge.log"));
  EXPECT_TRUE(fs::exists(folder_ / "edge.log.5"));
  EXPECT_FALSE(fs::exists(folder_ / "edge.log.6"));
}

}  // namespace
}  // namespace control_plane
