// Containers, tried with real ones on a base of a few programs of this host.
#include "environment/container/container.h"

#include <gmock/gmock.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/child.h"
#include "base/file.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A program of this host with the libraries that ldd(1) names, at the same places.
void copy_program(const std::string& name, const fs::path& base) {
  auto program = fs::canonical("/usr/bin/" + name);
  fs::copy_file(program, base / "usr/bin" / name, fs::copy_options::overwrite_existing);
  auto listed = base::run({.argv = {"/usr/bin/ldd", program.string()}}, std::chrono::seconds(10));
  std::regex path("(/[^ ]+) \\(0x");
  for (std::sregex_iterator at(listed->out.begin(), listed->out.end(), path), end; at != end; ++at) {
    fs::path library((*at)[1].str());
    fs::create_directories(base / library.parent_path().relative_path());
    fs::copy_file(library, base / library.relative_path(), fs::copy_options::skip_existing);
  }
}

base::Result<void> make_small_base(const fs::path& base) {
  for (const char* folder : {"usr/bin", "usr/lib", "usr/lib64", "etc", "proc", "dev", "var/lib/dpkg", "root"})
    fs::create_directories(base / folder);
  for (const char* link : {"bin", "lib", "lib64"})
    fs::create_directory_symlink(std::string("usr/") + link, base / link);
  for (const char* name : {"sh", "cat", "echo", "grep", "id", "ls", "sleep", "tail", "true", "uname"})
    copy_program(name, base);
  std::ofstream(base / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n";
  std::ofstream(base / "etc/group") << "root:x:0:\n";
  std::ofstream(base / "etc/system") << "the container's own\n";
  std::ofstream(base / "var/lib/dpkg/status")
      << "Package: libc6\nVersion: " << ::gnu_get_libc_version() << "-9\n\n"
      << "Package: python3.11-minimal\nStatus: install ok installed\nVersion: 1:3.11.2-6+deb12u6\n";
  return {};
}

class ContainerTest : public testing_support::SharedTest {
 protected:
  void SetUp() override {
    if (find_runtimes().empty()) GTEST_SKIP() << "needs crun or runc";
    SharedTest::SetUp();
    if (environment_) host_name_ = Identities::open(layout_).value().host_name();
  }
  void TearDown() override {
    SharedTest::TearDown();
    if (environment_) {
      EXPECT_EQ(groups_left(), "");
    }
  }
  ImagesOptions images_options() const override {
    return {.folder = layout_.images(), .base = ImagesOptions::Base{.key = "small", .make = make_small_base}};
  }
  InstanceSpec contained(const std::string& id, const std::string& text) {
    auto spec = script("shop", id, text);
    spec.kind = Kind::container;
    return spec;
  }
  RunSpec command(const std::string& text) {
    auto code = layout_.root / "releases" / "r1";
    if (!fs::exists(code)) make_release("r1", {{"main.py", "print(1)"}, {"pkg/x.py", ""}});
    auto spec = run_spec("shop", code, text);
    spec.kind = Kind::container;
    return spec;
  }
  // Of this root, in any hierarchy, whoever made them.
  std::string groups_left() {
    std::string found;
    for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup"))
      if (fs::exists(hierarchy.path() / host_name_)) found += (hierarchy.path() / host_name_).string() + " ";
    return found;
  }

  std::string host_name_;
};

TEST_F(ContainerTest, RunsACommandOnItsOwnSystemAsTheAppsUser) {
  auto result = run(command("id -u; id -un; cat /etc/system main.py; uname -n; ls /; echo oops >&2; exit 3"));
  EXPECT_EQ(base::describe(result.status), "exit status 3");
  EXPECT_EQ(std::stoul(result.out), environment_->prepare("shop")->uid);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("app\nthe container's own\nprint(1)"), HasSubstr("shop\n"), Not(HasSubstr("boot"))));
  EXPECT_EQ(result.err, "oops\n");
}

TEST_F(ContainerTest, GivesUpRightsForGood) {
  auto out = output_of(command("grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/self/status"));
  for (const char* set : {"CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"})
    EXPECT_THAT(out, HasSubstr(std::string(set) + ":\t0000000000000000"));
  EXPECT_THAT(out, AllOf(HasSubstr("NoNewPrivs:\t1"), HasSubstr("Seccomp:\t2"), HasSubstr("Groups:\t \n")));
}

TEST_F(ContainerTest, ShowsOnlyItsOwnFilesAndProcesses) {
  auto out = output_of(command("for p in /proc/[0-9]*; do echo $p; done; ls /dev /serai"));
  EXPECT_THAT(out, AllOf(HasSubstr("/proc/1\n"), HasSubstr("instance"), HasSubstr("null"), Not(HasSubstr("sda")),
                         Not(HasSubstr("mem\n"))));
  EXPECT_LE(std::ranges::count(out, '/'), 8);
  EXPECT_NE(run(command("ls " + layout_.root.string())).err, "");
  EXPECT_THAT(output_of(command("grep -E ' / / ' /proc/self/mountinfo")), HasSubstr(" / / ro,"));
}

TEST_F(ContainerTest, CannotWriteOutsideItsOwnPlaces) {
  auto result = run(
      command("for f in /usr/x /etc/passwd /etc/x /x /app/main.py /dev/x /serai/instance /proc/sys/kernel/hostname; do "
              "(echo x > $f) 2>/dev/null && echo wrote $f; done; "
              "for f in /tmp/x /var/tmp/x /home/app/x /app/new /dev/shm/x /run/x; do echo x > $f || echo cannot $f; "
              "done; true"));
  EXPECT_EQ(result.out, "") << result.err;
  EXPECT_EQ(base::read_file(layout_.root / "releases/r1/main.py").value(), "print(1)");
}

TEST_F(ContainerTest, KeepsWhatTheAppWritesForTheNextInstance) {
  output_of(command("echo kept > /app/data.txt; echo x > /app/pkg/cache"));
  EXPECT_EQ(output_of(command("cat /app/data.txt /app/pkg/cache")), "kept\nx\n");
}

TEST_F(ContainerTest, StartsProcessesKeepsTheirLogsAndStops) {
  start(contained("shop-1", "echo hello; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"));
  wait_for_log("shop", "main", "main out hello");
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::running);
  EXPECT_GE(environment_->inspect("shop-1")->usage.processes, 2u);
  auto stopped = environment_->stop("shop-1");
  ASSERT_TRUE(stopped) << stopped.error().describe();
  EXPECT_THAT(log("shop", "main"), HasSubstr("main out bye"));
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::ended);
}

TEST_F(ContainerTest, SaysThatAProcessRanOutOfMemory) {
  auto spec = contained("shop-1", "exec tail /dev/zero");
  spec.limits.memory = 64 << 20;
  start(spec);
  wait_for_log("shop", "main", "ended: out of memory");
}

TEST_F(ContainerTest, AProgramThatIsNotThereFailsTheStartAndLeavesNothing) {
  auto spec = contained("shop-1", "true");
  spec.processes[0].argv = {"/app/missing"};
  Launch launch;
  auto started = environment_->start(spec, launch);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().describe(), HasSubstr("start process \"main\": start /app/missing"));
  EXPECT_TRUE(environment_->instances()->empty());
}

TEST_F(ContainerTest, ALaterDaemonFindsAndDestroysWhatAnEarlierOneStarted) {
  start(contained("shop-1", "echo up; sleep 1000"));
  new_daemon();
  EXPECT_THAT(environment_->instances().value(), testing::ElementsAre("shop-1"));
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::running);
  EXPECT_TRUE(environment_->destroy("shop-1"));
  EXPECT_FALSE(fs::exists(layout_.instance("shop-1")));
}

TEST_F(ContainerTest, EndsWithItsSupervisor) {
  auto instance = start(contained("shop-1", "echo up; sleep 1000"));
  wait_for_log("shop", "main", "up");
  ::kill(instance.supervisor, SIGKILL);
  for (int i = 0; i < 2000 && environment_->inspect("shop-1")->usage.processes > 0; i++) ::usleep(5000);
  EXPECT_EQ(environment_->inspect("shop-1")->usage.processes, 0u);
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::ended);
}

TEST_F(ContainerTest, EveryRuntimeThatIsInstalledStartsOneAndLeavesNothing) {
  for (const auto& runtime : find_runtimes()) {
    ASSERT_TRUE(remember_runtime(layout_.images() / "runtime.json", runtime));
    new_daemon();
    EXPECT_EQ(output_of(command("cat /etc/system")), "the container's own\n") << runtime.version;
  }
}

TEST_F(ContainerTest, TheDoctorTriesARuntimeOut) {
  for (const auto& fact : environment_->doctor()) {
    if (fact.kind != Kind::container) continue;
    EXPECT_TRUE(fact.name != "container runtime" || fact.state == Fact::State::good) << fact.found;
    EXPECT_NE(fact.found, "") << fact.name;
  }
  EXPECT_TRUE(remembered_runtime(layout_.images() / "runtime.json"));
}

TEST_F(ContainerTest, RefusesABuildThatDoesNotFitItsBase) {
  auto spec = command("true");
  spec.parts.venv = make_release("venv", {{"pyvenv.cfg", "home = /usr/bin\nversion_info = 3.11.9\n"}});
  fs::create_directories(spec.parts.venv / "bin");
  fs::create_symlink("/usr/bin/python3.11", spec.parts.venv / "bin/python");
  auto refused = environment_->run_once(spec);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("Python 3.11.9"));
  EXPECT_THAT(refused.error().describe(), HasSubstr("the container's base has 3.11.2"));
}

TEST_F(ContainerTest, AnInterpreterOutsideUsrIsALayerOfItsOwn) {
  auto prefix = make_release("python", {{"bin/python3.12", "the program"}, {"lib/python3.12/test/big.py", "unused"}});
  auto layers = images_->system_layers("shop", {.interpreters = {prefix}});
  ASSERT_TRUE(layers) << layers.error().describe();
  ASSERT_EQ(layers->size(), 2u);
  auto there = fs::path(images_->folders(*layers).front()) / prefix.relative_path();
  EXPECT_EQ(base::read_file(there / "bin/python3.12").value(), "the program");
  EXPECT_TRUE(fs::is_empty(there / "lib/python3.12"));
}

TEST_F(ContainerTest, ForgettingAnAppRemovesItsLayers) {
  auto code = make_release("r1", {{"main.py", "print(1)"}});
  auto image = images_->build("shop", "shop:r1", {.code = code}, {.command = {"/bin/sh"}});
  ASSERT_TRUE(image) << image.error().describe();
  EXPECT_TRUE(fs::exists(images_->layout() / "blobs/sha256" / image->digest));
  ASSERT_TRUE(environment_->forget("shop"));
  EXPECT_FALSE(fs::exists(images_->layout() / "blobs/sha256" / image->digest));
  EXPECT_TRUE(images_->missing("shop", {}).empty()) << "the base stays";
}

}  // namespace
}  // namespace environment
