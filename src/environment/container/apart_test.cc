#include "environment/container/apart.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class ApartTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces need root";
    std::string pattern = testing::TempDir() + "apart-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    auto ends = base::pipe();
    ASSERT_TRUE(ends);
    alive_ = std::move(*ends);
  }
  void TearDown() override { EXPECT_TRUE(folder_.empty() || base::remove_tree(folder_)); }

  // Mounts something over the folder, says so by a line, and sleeps; a process that left its session sleeps too. Both
  // hold the pipe's end: it ends when the last of them has.
  base::Command installer(const std::string& then) {
    auto script = "mount -t tmpfs none $PWD && cd $PWD && touch mounted && (setsid sleep 1000 &) && " + then;
    return {.argv = {"/bin/sh", "-c", script},
            .cwd = folder_.string(),
            .keep = {{alive_.write.get(), 9}},
            .cancel_fd = cancel_.read.get()};
  }
  // Whether all processes that were started are gone.
  bool is_over() {
    alive_.write.close();
    pollfd ended{alive_.read.get(), 0, 0};
    return ::poll(&ended, 1, 10'000) == 1 && (ended.revents & POLLHUP);
  }
  bool is_clean() { return fs::is_empty(folder_); }

  fs::path folder_;
  base::Pipe alive_, cancel_;
};

TEST_F(ApartTest, ItsMountsAreItsOwnAndNothingOfItStays) {
  auto output = run_apart(installer("ls && echo process $$"), seconds(20));
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_EQ(output->out, "mounted\nprocess 1\n") << output->err;
  EXPECT_TRUE(is_over());
  EXPECT_TRUE(is_clean());
}

TEST_F(ApartTest, PastItsPatienceAllOfItIsKilled) {
  auto output = run_apart(installer("sleep 1000"), std::chrono::milliseconds(500));
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_TRUE(output->timed_out);
  EXPECT_TRUE(is_over());
  EXPECT_TRUE(is_clean());
}

TEST_F(ApartTest, ItIsKilledWhenItIsCancelled) {
  cancel_ = std::move(*base::pipe());
  cancel_.write.close();
  auto output = run_apart(installer("sleep 1000"), seconds(60));
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_TRUE(output->cancelled);
  EXPECT_TRUE(is_over());
}

TEST_F(ApartTest, ItDiesWithWhoeverRanIt) {
  auto ready = std::move(*base::pipe());
  pid_t daemon = ::fork();
  if (daemon == 0) {
    auto command = installer("echo up >&8; sleep 1000");
    command.keep.push_back({ready.write.get(), 8});
    (void)run_apart(command, seconds(60));
    ::_exit(0);
  }
  char line[3];
  ASSERT_EQ(::read(ready.read.get(), line, sizeof line), 3);
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_TRUE(is_over());
  EXPECT_TRUE(is_clean());
}

}  // namespace
}  // namespace environment
