#include "image/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Type = Member::Type;

class TreeTest : public testing::Test {
 protected:
  TreeTest() { tree_.begin_layer(); }

  void add(Type type, const std::string& path, const std::string& target = "") {
    auto added = try_add(type, path, target);
    EXPECT_TRUE(added) << added.error().describe();
  }
  base::Result<void> try_add(Type type, const std::string& path, const std::string& target = "") {
    return tree_.add({.type = type, .path = path, .target = target, .mode = 04755, .size = 1});
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const auto& [path, node] : tree_.nodes()) all.push_back(path);
    return all;
  }

  Tree tree_;
};

TEST_F(TreeTest, NamesAreWrittenInManyWays) {
  add(Type::folder, "./");
  add(Type::folder, "./a/");
  add(Type::file, "/a//b");
  add(Type::file, "./a/./c");
  EXPECT_THAT(paths(), ElementsAre("a", "a/b", "a/c"));
  EXPECT_EQ(tree_.nodes().at("a/b").mode, 0755u) << "no set-id bits";
}

TEST_F(TreeTest, ANameThatLeadsUpwardsIsRefused) {
  for (const char* path : {"..", "../etc/passwd", "a/../../b", "/../b", "a/.."})
    EXPECT_FALSE(try_add(Type::file, path));
  EXPECT_FALSE(try_add(Type::file, std::string(5000, 'a')));
  std::string deep;
  for (int i = 0; i < 200; i++) deep += "a/";
  EXPECT_FALSE(try_add(Type::file, deep));
}

TEST_F(TreeTest, AnUpperLayerReplaces) {
  add(Type::folder, "a");
  add(Type::file, "a/b");
  add(Type::file, "c");
  tree_.begin_layer();
  add(Type::file, "a");
  add(Type::folder, "c");
  add(Type::file, "c/d");
  EXPECT_THAT(paths(), ElementsAre("a", "c", "c/d"));
  EXPECT_EQ(tree_.nodes().at("a").layer, 1u);
  EXPECT_EQ(tree_.nodes().at("c/d").member, 2u);
}

TEST_F(TreeTest, AFolderThatIsNamedAgainKeepsWhatIsInIt) {
  add(Type::file, "a/b");
  tree_.begin_layer();
  add(Type::folder, "a");
  EXPECT_THAT(paths(), ElementsAre("a", "a/b"));
}

TEST_F(TreeTest, AWhiteoutHidesWhatLowerLayersHave) {
  add(Type::file, "a/b");
  add(Type::file, "a/c");
  tree_.begin_layer();
  add(Type::file, "a/d");
  add(Type::file, "a/.wh.b");
  add(Type::file, "nowhere/.wh.b");
  EXPECT_THAT(paths(), ElementsAre("a", "a/c", "a/d"));
  tree_.begin_layer();
  add(Type::file, ".wh.a");
  EXPECT_THAT(paths(), ElementsAre());
}

TEST_F(TreeTest, AnOpaqueFolderKeepsWhatItsOwnLayerHas) {
  add(Type::file, "a/b/c");
  add(Type::file, "a/d");
  tree_.begin_layer();
  add(Type::file, "a/b/new");
  add(Type::file, "a/.wh..wh..opq");
  add(Type::file, "a/later");
  add(Type::file, "a/.wh..wh.plnk");
  EXPECT_THAT(paths(), ElementsAre("a", "a/b", "a/b/new", "a/later"));
}

TEST_F(TreeTest, AWhiteoutOfNoNameIsRefused) {
  add(Type::file, "a/b");
  for (const char* path : {"a/.wh.", "a/.wh..", "a/.wh...", "a/.wh.b/c"})
    EXPECT_FALSE(try_add(Type::file, path)) << path;
}

TEST_F(TreeTest, WhatIsPutBelowALinkLiesWhereItLeadsInsideOfTheTree) {
  add(Type::link, "lib", "usr/lib");
  add(Type::link, "out", "../../../etc");
  add(Type::link, "usr/up", "/../var");
  add(Type::file, "lib/x");
  add(Type::file, "out/passwd");
  add(Type::file, "usr/up/y");
  EXPECT_THAT(paths(),
              ElementsAre("etc", "etc/passwd", "lib", "out", "usr", "usr/lib", "usr/lib/x", "usr/up", "var", "var/y"));
}

TEST_F(TreeTest, LinksInACircleAndFilesAsFoldersAreRefused) {
  add(Type::link, "a", "b");
  add(Type::link, "b", "a");
  add(Type::file, "c");
  EXPECT_THAT(try_add(Type::file, "a/x").error().describe(), HasSubstr("circle"));
  EXPECT_THAT(try_add(Type::file, "c/x").error().describe(), HasSubstr("not a folder"));
  EXPECT_FALSE(try_add(Type::link, "d", ""));
  add(Type::link, "e", ".wh.f");
  EXPECT_FALSE(try_add(Type::file, "e/x"));
}

TEST_F(TreeTest, AHardLinkHasItsTargetsContentWhateverBecomesOfIt) {
  add(Type::file, "a");
  add(Type::hard_link, "b", "./a");
  tree_.begin_layer();
  add(Type::file, ".wh.a");
  EXPECT_THAT(paths(), ElementsAre("b"));
  EXPECT_EQ(tree_.nodes().at("b").layer, 0u);
  EXPECT_EQ(tree_.nodes().at("b").member, 0u);
  for (const char* target : {"a", "", "../b", "nowhere/b"}) EXPECT_FALSE(try_add(Type::hard_link, "c", target));
}

TEST_F(TreeTest, DevicesStayOutAndHideWhatWasThere) {
  add(Type::file, "a");
  add(Type::other, "a");
  add(Type::other, "b");
  EXPECT_THAT(paths(), ElementsAre());
}

TEST_F(TreeTest, MoreThanItMayHoldIsRefused) {
  Tree small({.bytes = 10, .entries = 3});
  small.begin_layer();
  EXPECT_FALSE(small.add({.path = "a", .size = 11}));
  Tree few({.bytes = 10, .entries = 3});
  few.begin_layer();
  EXPECT_FALSE(few.add({.path = "a/b/c/d"})) << "the folders on the way count";
}

}  // namespace
}  // namespace image
