#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/fd.h"

namespace base {
namespace {

namespace fs = std::filesystem;

class RemoveTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "remove-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    tree_ = root_ / "tree";
    fs::create_directories(tree_);
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(root_)); }

  // Beyond what a path can name.
  void nest(int levels) {
    auto at = open(tree_.string(), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < levels; i++) {
      ASSERT_EQ(::mkdirat(at->get(), "inner", 0755), 0);
      at = open_at(at->get(), "inner", O_RDONLY | O_DIRECTORY);
    }
    ASSERT_TRUE(open_at(at->get(), "file", O_WRONLY | O_CREAT, 0644));
  }

  fs::path root_;
  fs::path tree_;
};

TEST_F(RemoveTreeTest, FilesFoldersAndLinksGoAndWhatLinksLeadToStays) {
  std::ofstream(root_ / "kept") << "x";
  fs::create_directories(root_ / "outside/folder");
  fs::create_symlink(root_ / "kept", tree_ / "link");
  fs::create_directory_symlink(root_ / "outside", tree_ / "folder-link");
  fs::create_directories(tree_ / "a/b");
  std::ofstream(tree_ / "a/b/\xFF\n") << "x";
  ASSERT_EQ(::mkfifo((tree_ / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(remove_tree(tree_));
  EXPECT_FALSE(fs::exists(tree_));
  EXPECT_TRUE(fs::exists(root_ / "kept"));
  EXPECT_TRUE(fs::exists(root_ / "outside/folder"));
  fs::create_directory_symlink(root_ / "outside", tree_);
  EXPECT_TRUE(remove_tree(tree_));
  EXPECT_TRUE(fs::exists(root_ / "outside/folder"));
}

// As an installer of packages leaves it that was killed: the host's /dev/shm mounted below its root.
TEST_F(RemoveTreeTest, WhatIsMountedInATreeIsNotTouchedAndNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounts need root";
  auto shm = root_ / "shm";
  auto place = tree_ / "dev" / "shm";
  for (const auto& folder : {shm / "inner", place}) fs::create_directories(folder);
  std::ofstream(shm / "inner" / "theirs") << "x";
  std::thread([&] {  // mount namespaces are a thread's
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount(shm.c_str(), place.c_str(), nullptr, MS_BIND, nullptr), 0);
    for (const auto& tree : {tree_, place}) {
      auto removed = remove_tree(tree);
      ASSERT_FALSE(removed);
      EXPECT_EQ(removed.error().kind(), Kind::conflict);
      EXPECT_NE(removed.error().describe().find("something is mounted at " + place.string()), std::string::npos)
          << removed.error().describe();
    }
  })
      .join();
  EXPECT_TRUE(fs::exists(shm / "inner" / "theirs"));
}

TEST_F(RemoveTreeTest, WhatIsNotThereIsNoError) {
  EXPECT_TRUE(remove_tree(root_ / "nothing"));
  EXPECT_TRUE(remove_tree(root_ / "nothing/inside"));
}

TEST_F(RemoveTreeTest, NoDepthIsTooDeepForTheOpenFilesThereAre) {
  fs::create_directories(tree_ / "lifted-0");  // the name that a deep folder gets on its way
  nest(2000);
  rlimit before{}, few{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  few = {128, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  auto removed = remove_tree(tree_);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(removed) << removed.error().describe();
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(RemoveTreeTest, AFullFolderGoesInBatches) {
  for (int i = 0; i < 4500; i++) std::ofstream(tree_ / std::to_string(i));
  fs::create_directories(tree_ / "inner");
  for (int i = 0; i < 4500; i++) std::ofstream(tree_ / "inner" / std::to_string(i));
  EXPECT_TRUE(remove_tree(tree_));
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(RemoveTreeTest, FoldersWithoutPermissionsStopNobodyWhoOwnsThem) {
  fs::create_directories(tree_ / "closed/inner");
  ::chmod((tree_ / "closed").c_str(), 0);
  ::chmod(root_.c_str(), 0777);
  if (::geteuid() == 0) {
    for (const auto& path : {tree_, tree_ / "closed", tree_ / "closed/inner"})
      ASSERT_TRUE(change_owner(path, 65534, 65534));
    ASSERT_EQ(::seteuid(65534), 0);
  }
  auto removed = remove_tree(tree_);
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_TRUE(removed) << removed.error().describe();
  EXPECT_FALSE(fs::exists(tree_));
}

}  // namespace
}  // namespace base
