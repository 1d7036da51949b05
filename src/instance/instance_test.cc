#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "instance/history.h"
#include "instance/log_file.h"
#include "instance/output.h"
#include "instance/plan.h"
#include "instance/report.h"

namespace instance {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;

class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    std::string pattern = (fs::temp_directory_path() / "serai-instance-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    fd_ = base::open(folder_, O_PATH | O_DIRECTORY).value();
  }
  ~FolderTest() override { fs::remove_all(folder_); }
  std::string read(const std::string& name) {
    return base::read_file(fs::path(folder_) / name, 64 << 20).value_or("(missing)");
  }

  std::string folder_;
  base::Fd fd_;
};

TEST_F(FolderTest, ALogLineHasTimeProcessAndStream) {
  auto log = LogFile::open(fd_, "web").value();
  log.write("out", "hello");
  EXPECT_THAT(read("web.log"), testing::MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:]+\\.[0-9]+Z web out hello\n"));
}

TEST_F(FolderTest, AFullLogIsRotatedAndNothingIsLost) {
  auto log = LogFile::open(fd_, "web").value();
  std::string line(100'000, 'x');
  for (int i = 0; i < 110; i++) log.write("out", line);
  log.write("out", "last");
  EXPECT_THAT(read("web.log"), EndsWith(" last\n"));
  EXPECT_LE(fs::file_size(fs::path(folder_) / "web.log.1"), LogFile::kMaxBytes);
  auto lines = std::ranges::count(read("web.log") + read("web.log.1"), '\n');
  EXPECT_EQ(lines, 111);
}

TEST_F(FolderTest, OnlySoManyOldLogsAreKept) {
  auto log = LogFile::open(fd_, "web").value();
  std::string line(LogFile::kMaxBytes - 100, 'x');
  for (int i = 0; i < 8; i++) log.write("out", line);
  EXPECT_TRUE(fs::exists(fs::path(folder_) / "web.log.4"));
  EXPECT_FALSE(fs::exists(fs::path(folder_) / "web.log.5"));
}

TEST_F(FolderTest, ALogIsNotWrittenThroughALink) {
  fs::create_symlink("/tmp/elsewhere", fs::path(folder_) / "web.log");
  EXPECT_FALSE(LogFile::open(fd_, "web"));
}

TEST_F(FolderTest, HistoryNumbersEventsAndKeepsThemInAFile) {
  History history(base::open_at(fd_.get(), "events", O_WRONLY | O_CREAT | O_APPEND, 0644).value());
  history.add({{"event", "one"}});
  auto two = history.add({{"event", "two"}});
  EXPECT_EQ(two["number"], 2);
  EXPECT_EQ(history.events().size(), 2u);
  auto text = read("events");
  EXPECT_EQ(nlohmann::json::parse(text.substr(0, text.find('\n')))["event"], "one");
}

TEST_F(FolderTest, HistoryIsBoundedHoweverMuchIsSaid) {
  History history(base::open_at(fd_.get(), "events", O_WRONLY | O_CREAT | O_APPEND, 0644).value());
  for (int i = 0; i < 20; i++) history.add({{"event", "server"}, {"message", std::string(1 << 20, 'x')}});
  EXPECT_LE(history.events().size(), 4u);
  EXPECT_EQ(history.events().back()["number"], 20);
  EXPECT_LE(fs::file_size(fs::path(folder_) / "events"), History::kKeptBytes);
}

class OutputTest : public testing::Test {
 protected:
  OutputTest() {
    auto pipe = base::pipe().value();
    write_ = std::move(pipe.write);
    output_ = Output::open(
                  *loop_, std::move(pipe.read), [this](std::string_view line) { lines_.emplace_back(line); },
                  [this] { ended_ = true; })
                  .value();
  }
  std::unique_ptr<net::Loop> loop_ = net::Loop::create().value();
  base::Fd write_;
  std::unique_ptr<Output> output_;
  std::vector<std::string> lines_;
  bool ended_ = false;
};

TEST_F(OutputTest, SplitsLinesHoweverTheyArrive) {
  ASSERT_TRUE(base::write_all(write_.get(), "one\r\ntw"));
  loop_->turn(std::chrono::seconds(1));
  ASSERT_TRUE(base::write_all(write_.get(), "o\n\nthree"));
  write_.close();
  while (!ended_) loop_->turn(std::chrono::seconds(1));
  EXPECT_THAT(lines_, ElementsAre("one", "two", "", "three"));
  EXPECT_FALSE(output_->is_open());
}

TEST_F(OutputTest, CutsALineWithoutEnd) {
  ASSERT_TRUE(base::write_all(write_.get(), std::string(Output::kMaxLine + 3, 'x') + "\n"));
  output_->drain();
  EXPECT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_.back(), "xxx");
}

TEST(PlanTest, SurvivesTheWayThroughJson) {
  Plan plan{.app = "shop", .id = "shop-1"};
  plan.mounts.push_back({.kind = "bind", .to = "app", .base = "/srv"});
  plan.processes.push_back({.name = "web", .argv = {"a", "b"}, .web = true});
  auto back = Plan::from_json(plan.to_json());
  ASSERT_TRUE(back) << back.error().describe();
  EXPECT_EQ(back->mounts[0].base, "/srv");
  EXPECT_THAT(back->processes[0].argv, ElementsAre("a", "b"));
  EXPECT_TRUE(back->processes[0].web);
  EXPECT_FALSE(Plan::from_json("{\"mounts\": 3}"));
}

TEST(ReportTest, AnErrorKeepsKindMessageAndAdvice) {
  base::Error error(base::Kind::conflict, "a", "do b");
  auto back = error_from_json(to_json(error));
  EXPECT_EQ(back.kind(), base::Kind::conflict);
  EXPECT_EQ(back.describe(), "a");
  EXPECT_EQ(back.advice(), "do b");
}

}  // namespace
}  // namespace instance
