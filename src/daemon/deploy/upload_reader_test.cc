#include "daemon/deploy/upload_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "daemon/fixture_test.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The name in the options, which stay for the real reader.
std::string app_name() {
  std::string text(1000, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(::pread(3, text.data(), text.size(), 0), 0)));
  return nlohmann::json::parse(text).value("name", "");
}

std::string limit_text(int resource) {
  rlimit limit{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &limit);
  return std::to_string(limit.rlim_max);
}

nlohmann::json describe_self() {
  std::vector<std::string> descriptors, variables;
  for (int fd = 0; fd < 1024; fd++)
    if (::fcntl(fd, F_GETFD) >= 0) descriptors.push_back(std::to_string(fd));
  for (char** variable = environ; *variable; variable++) variables.emplace_back(*variable);
  return {{"status", base::read_file("/proc/self/status").value_or("")},
          {"descriptors", descriptors},
          {"variables", variables},
          {"open_files", limit_text(RLIMIT_NOFILE)},
          {"cwd", fs::current_path().filename().string()}};
}

class UploadReaderTest : public testing_support::HostTest {
 protected:
  UploadReaderTest() {
    if (::geteuid() == 0) owner_ = {65534, 65534};
  }
  Result<app::UploadReport> read(const std::string& name) {
    auto id = upload({{"app.py", "app = Flask(__name__)\n"}});
    return read_upload(root_ / "uploads" / id / "archive", root_ / "code", owner_, {.fallback_name = name, .env = {}});
  }

  environment::Identity owner_{::geteuid(), ::getegid()};
};

TEST_F(UploadReaderTest, UnpacksAndDetects) {
  auto report = read("shop");
  ASSERT_TRUE(report) << report.error().describe();
  EXPECT_EQ(report->unpacked.files, 1u);
  EXPECT_EQ(report->detection.candidates.at(0).target, "app:app");
  EXPECT_TRUE(fs::exists(root_ / "code/app.py"));
}

TEST_F(UploadReaderTest, TheChildHasNoRightsAndNothingOfTheDaemon) {
  ::setenv("DAEMON_SECRET", "hunter2", 1);
  auto leaked = base::pipe();
  ::fcntl(leaked->write.get(), F_SETFD, 0);
  auto report = read("describe-yourself");
  ::unsetenv("DAEMON_SECRET");
  ASSERT_FALSE(report);
  auto self = nlohmann::json::parse(report.error().message());
  std::string status = self["status"];
  auto expect_ids = [&](const char* name, auto id) {
    EXPECT_THAT(status, HasSubstr(fmt::format("{}:\t{}\t{}\t{}\t{}\n", name, id, id, id, id)));
  };
  expect_ids("Uid", owner_.uid);
  expect_ids("Gid", owner_.gid);
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_EQ(self["descriptors"], nlohmann::json({"0", "1", "2", "3"}));
  EXPECT_EQ(self["variables"], nlohmann::json({"LANG=C.UTF-8"}));
  EXPECT_EQ(self["open_files"], "64");
  EXPECT_EQ(self["cwd"], "code");
  if (::geteuid() != 0) return;
  EXPECT_THAT(status, HasSubstr("Groups:\t \n"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000\n"));
}

TEST_F(UploadReaderTest, AChildThatSaysTooMuchIsNotBelieved) {
  auto report = read("flood");
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().describe(), HasSubstr("cannot be used: it is too large"));
}

TEST_F(UploadReaderTest, AChildThatDiesIsReportedWithItsLastWords) {
  auto report = read("die");
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().describe(), HasSubstr("ended with signal 6 (SIGABRT): something is wrong"));
  EXPECT_LT(report.error().describe().size(), 1000u);
}

}  // namespace

int testing_support::read_upload_in_child_or_misbehave() {
  auto name = app_name();
  if (name == "describe-yourself") {
    base::Error description(base::Kind::internal, describe_self().dump());
    return base::write_all(STDOUT_FILENO, app::to_text(std::unexpected(description))) ? 0 : 1;
  }
  if (name == "flood") {
    std::string bytes(app::kMostReportBytes + 2, '[');
    return base::write_all(STDOUT_FILENO, bytes) ? 0 : 1;
  }
  if (name == "die") {
    (void)base::write_all(STDERR_FILENO, "something is wrong" + std::string(100'000, '!'));
    ::abort();
  }
  return read_upload_in_child();
}

}  // namespace control_plane
