#include "daemon/trash.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "daemon/collector.h"
#include "daemon/fixture_test.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;

class TrashTest : public testing_support::HostTest {
 protected:
  fs::path make_tree(const std::string& name) {
    auto top = root_ / name;
    fs::create_directories(top / "a/b");
    std::ofstream(top / "a/b/file") << "x";
    return top;
  }
};

TEST_F(TrashTest, TakesATreeAwayAtOnceAndRemovesItLater) {
  auto trash = std::move(*Trash::open(root_ / "trash"));
  auto tree = make_tree("tree");
  ASSERT_TRUE(trash->take(tree));
  EXPECT_FALSE(fs::exists(tree));
  EXPECT_TRUE(trash->take(tree)) << "what is not there is no error";
  trash->wait_until_empty();
  EXPECT_TRUE(names("trash").empty());
  EXPECT_EQ(fs::status(root_ / "trash").permissions(), fs::perms::owner_all) << "the files of apps lie in it";
}

TEST_F(TrashTest, RemovesWhatADaemonThatDiedLeft) {
  make_tree("trash/of-the-one-before");
  auto trash = std::move(*Trash::open(root_ / "trash"));
  trash->wait_until_empty();
  EXPECT_TRUE(names("trash").empty());
}

TEST_F(TrashTest, GetsUploadsThatNobodyDeploysOnceTheyAreOld) {
  testing_support::Host host(root_);
  auto forgotten = upload({{"a", "b"}}), fresh = upload({{"a", "c"}}), needed = upload({{"a", "d"}});
  auto now = fs::file_time_type::clock::now();
  for (const auto& id : {forgotten, needed})
    fs::last_write_time(host.paths.upload(id) / "archive", now - std::chrono::hours(2));
  Deploy running;
  running.id = new_id();
  running.app = "shop";
  running.upload = needed;
  ASSERT_TRUE(host.store->add_deploy(running));
  collect_uploads(host.services, std::chrono::hours(1));
  EXPECT_EQ(names("uploads"), (std::set<std::string>{fresh, needed}));
}

}  // namespace
}  // namespace control_plane
