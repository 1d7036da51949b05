#include "base/child.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace base {
namespace {

using std::chrono::milliseconds;

TEST(Child, RunReportsOutputAndExitStatus) {
  auto output = run({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}}, milliseconds(5000));
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(describe(output->status), "exit status 3");
}

TEST(Child, RunEndsTheProcessWhenItIsCancelled) {
  auto cancel = pipe();
  ASSERT_TRUE(cancel);
  cancel->write.close();
  auto output = run({.argv = {"sleep", "60"}, .cancel_fd = cancel->read.get()}, milliseconds(30000));
  ASSERT_TRUE(output) << output.error().describe();
  EXPECT_TRUE(output->cancelled);
  EXPECT_FALSE(output->timed_out);
  EXPECT_EQ(describe(output->status), "signal 9 (SIGKILL)");
}

TEST(Child, AProgramThatIsNotThereIsAnErrorOfSpawn) {
  auto child = Child::spawn({.argv = {"/nonexistent/program"}});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().kind(), Kind::not_found);
}

TEST(Child, ASignalIsReportedByName) {
  auto child = Child::spawn({.argv = {"sleep", "60"}});
  ASSERT_TRUE(child);
  ASSERT_TRUE(child->signal(SIGKILL));
  auto status = child->wait();
  ASSERT_TRUE(status);
  EXPECT_EQ(describe(*status), "signal 9 (SIGKILL)");
}

TEST(Child, LeavingTheScopeTerminatesAndReaps) {
  pid_t pid;
  {
    auto child = Child::spawn({.argv = {"sleep", "60"}});
    ASSERT_TRUE(child);
    pid = child->pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Child, RunKillsWhatOutlivesItsTimeout) {
  auto output = run({.argv = {"sleep", "60"}}, milliseconds(50));
  ASSERT_TRUE(output);
  EXPECT_TRUE(output->timed_out);
}

TEST(Child, RunKillsWhatNeverStopsWriting) {
  auto output = run({.argv = {"yes"}}, milliseconds(50), 100);
  ASSERT_TRUE(output);
  EXPECT_TRUE(output->timed_out);
  EXPECT_EQ(output->out.size(), 100u);
}

TEST(Child, OnlyKeptDescriptorsReachTheChild) {
  auto leaked = pipe();
  auto kept = pipe();
  ASSERT_TRUE(leaked && kept);
  ::fcntl(leaked->write.get(), F_SETFD, 0);
  Command command{.argv = {"sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"}};
  command.keep = {{kept->write.get(), 7}};
  auto output = run(command, milliseconds(5000));
  ASSERT_TRUE(output);
  EXPECT_EQ(output->out, "0 1 2 3 7 ");  // 3 is the folder that ls reads
}

}  // namespace
}  // namespace base
