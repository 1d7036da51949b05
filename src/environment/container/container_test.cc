// Containers, tried with real ones on a base of a few programs of this host.
#include "environment/container/container.h"

#include <gmock/gmock.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "allocation/group.h"
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

// `root` may hold files that say what is in it today.
base::Result<void> make_small_base(const fs::path& root, const fs::path& base) {
  for (const char* folder : {"usr/bin", "usr/lib", "usr/lib64", "etc", "proc", "dev", "var/lib/dpkg", "root"})
    fs::create_directories(base / folder);
  for (const char* link : {"bin", "lib", "lib64"})
    fs::create_directory_symlink(std::string("usr/") + link, base / link);
  for (const char* name : {"sh", "cat", "echo", "grep", "id", "ls", "sleep", "tail", "true", "uname"})
    copy_program(name, base);
  std::ofstream(base / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n";
  std::ofstream(base / "etc/group") << "root:x:0:\n";
  std::ofstream(base / "etc/system") << "the container's own\n";
  if (auto packages = base::read_file(root / "packages")) std::ofstream(base / "etc/packages") << *packages;
  std::ofstream(base / "var/lib/dpkg/status")
      << "Package: libc6\nVersion: " << base::read_file(root / "glibc").value_or(::gnu_get_libc_version()) << "-9\n\n"
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
    auto make = [root = layout_.root](const fs::path& base, int) { return make_small_base(root, base); };
    return {.folder = layout_.images(), .base = ImagesOptions::Base{.key = "small", .make = make}};
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
  std::string groups_of_controllers() { return allocation::Hierarchy::detect().value().describe(); }
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

TEST_F(ContainerTest, ANewReleaseDoesNotSeeFilesThatOnlyTheOldOneHas) {
  start(contained("shop-1", "echo up; sleep 1000"));
  wait_for_log("shop", "main", "up");
  auto result = run(command("cat main.sh || cat main.py"));
  EXPECT_EQ(result.out, "print(1)") << result.err;
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
  spec.parts.venv = make_release("venv", {});
  spec.parts.built_with = {.program = "/usr/bin/python3.11", .version = "3.11.9", .glibc = ::gnu_get_libc_version()};
  auto refused = environment_->run_once(spec);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("Python 3.11.9"));
  EXPECT_THAT(refused.error().describe(), HasSubstr("the container's base has 3.11.2"));
  spec.parts.built_with.version = "3.11.2";
  EXPECT_EQ(output_of(spec), "");
}

TEST_F(ContainerTest, ABaseMayHaveANewerCLibraryThanTheBuildAndNoOlderOne) {
  auto fits = [&](const char* glibc) {
    return environment_->furnish("shop", Kind::container,
                                 {.venv = make_release("venv", {}), .built_with = {.glibc = glibc}});
  };
  EXPECT_TRUE(fits("2.4"));
  auto refused = fits("2.99");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("the app was built with glibc 2.99"));
}

// Root takes the daemon's word for what /venv is, and packs links as links.
TEST_F(ContainerTest, NothingInAVenvIsOpenedThatIsNoFile) {
  auto venv = make_release("venv", {{"lib/one.py", "1"}});
  ASSERT_EQ(::mkfifo((venv / "pyvenv.cfg").c_str(), 0644), 0);
  fs::create_symlink("/etc/shadow", venv / "shadow");
  auto layers = images_->system_layers("shop", {.venv = venv});
  ASSERT_TRUE(layers) << layers.error().describe();
  auto there = fs::path(images_->folders(*layers).front()) / "venv";
  EXPECT_EQ(base::read_file(there / "lib/one.py").value(), "1");
  EXPECT_FALSE(fs::exists(there / "pyvenv.cfg"));
  EXPECT_EQ(fs::read_symlink(there / "shadow"), "/etc/shadow");
}

TEST_F(ContainerTest, HasSomeOfTheHostsTerminalsAndNotAll) {
  EXPECT_THAT(output_of(command("grep devpts /proc/self/mounts")), HasSubstr("max=64"));
}

TEST(CgroupsPath, IsAtTheTopOfTheTreeOnV2AndBelowTheRuntimesOwnGroupOnV1) {
  EXPECT_EQ(cgroups_path("serai-70000/shop-1", true), "/serai-70000/shop-1");
  EXPECT_EQ(cgroups_path("serai-70000/shop-1", false), "serai-70000/shop-1");
}

// A runc that takes the path for another than we do: it would start containers without limits.
TEST_F(ContainerTest, ARuntimeThatStartsContainersOutsideTheirGroupIsRefused) {
  if (::access("/usr/sbin/runc", X_OK) != 0 || groups_of_controllers().empty())
    GTEST_SKIP() << "needs runc and cgroups";
  auto program = layout_.root / "runc";
  auto astray = host_name_ + "-astray";
  std::ofstream(program) << "#!/bin/sh\nfor word; do last=$bundle; bundle=$next; next=$word; done\n"
                         << "sed -i 's|\"cgroupsPath\": \"[^\"]*\"|\"cgroupsPath\": \"" << astray
                         << "\"|' \"$bundle/config.json\"\nexec /usr/sbin/runc \"$@\"\n";
  fs::permissions(program, fs::perms::owner_all);
  ASSERT_TRUE(remember_runtime(layout_.images() / "runtime.json",
                               {.program = program, .version = "runc astray", .makes_groups = true}));
  new_daemon();
  auto refused = environment_->run_once(command("echo unlimited"));
  clear_groups(astray);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("started the container outside its control group"));
}

TEST_F(ContainerTest, LooksForARuntimeAgainWhenItsOwnIsGone) {
  auto program = layout_.root / "crun";
  fs::copy_file(find_runtimes().front().program, program);
  auto own = find_runtimes().front();
  own.program = program;
  ASSERT_TRUE(remember_runtime(layout_.images() / "runtime.json", own));
  new_daemon();
  EXPECT_EQ(output_of(command("echo one")), "one\n");
  fs::remove(program);
  EXPECT_EQ(output_of(command("echo two")), "two\n");
}

TEST_F(ContainerTest, ANewBaseIsForNewInstancesAndTheOldOneStaysWhileItIsUsed) {
  auto old = images_->folders(*images_->system_layers("shop", {})).front();
  start(contained("shop-1", "echo up; sleep 1000"));
  wait_for_log("shop", "main", "up");
  std::ofstream(layout_.root / "packages") << "of today";
  auto refreshed = images_->refresh_base();
  ASSERT_TRUE(refreshed) << refreshed.error().describe();
  auto now = images_->folders(*images_->system_layers("shop", {})).front();
  EXPECT_NE(now, old);
  EXPECT_EQ(output_of(command("cat /etc/packages")), "of today");
  EXPECT_TRUE(fs::exists(old));
  new_daemon();
  EXPECT_TRUE(fs::exists(old)) << "an instance has it";
  ASSERT_TRUE(environment_->destroy("shop-1"));
  new_daemon();
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(now));
}

TEST_F(ContainerTest, ABaseThatDiffersFromTheHostIsNotTaken) {
  std::ofstream(layout_.root / "glibc") << "2.99";
  auto before = images_->folders(*images_->system_layers("shop", {}));
  auto refused = images_->refresh_base();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("the new base has libc6 2.99"));
  EXPECT_EQ(images_->folders(*images_->system_layers("shop", {})), before);
}

TEST_F(ContainerTest, AnInterpreterOutsideUsrIsALayerOfItsOwn) {
  auto prefix = make_release("python", {{"bin/python3.12", "the program"},
                                        {"bin/python3", "#!/bin/sh\nexit 0\n"},
                                        {"lib/python3.12/test/big.py", "unused"}});
  fs::permissions(prefix / "bin/python3", fs::perms::owner_all);
  auto layers = images_->system_layers("shop", {.interpreters = {prefix}});
  ASSERT_TRUE(layers) << layers.error().describe();
  ASSERT_EQ(layers->size(), 2u);
  auto there = fs::path(images_->folders(*layers).front()) / prefix.relative_path();
  EXPECT_EQ(base::read_file(there / "bin/python3.12").value(), "the program");
  EXPECT_TRUE(fs::is_empty(there / "lib/python3.12"));
}

TEST_F(ContainerTest, TheLayerOfAnInterpreterIsTheSameWhateverWasImportedSoFar) {
  auto layer = [&](bool was_used) {
    auto prefix = make_release("python", {{"lib/python3.11/abc.py", "x = 1"}, {"lib/python3.11/def.py", "y = 2"}});
    fs::create_directories(prefix / "bin");
    if (!was_used) fs::create_symlink("/usr/bin/python3", prefix / "bin/python3");
    base::Command use{.argv = {"/usr/bin/python3", "-m", "compileall", "-q", prefix / "lib"}};
    EXPECT_TRUE(!was_used || base::run(use, std::chrono::seconds(20)));
    fs::last_write_time(prefix / "lib", fs::file_time_type::clock::now());
    auto layers = images_->system_layers("shop", {.interpreters = {prefix}});
    if (!layers) return layers.error().describe();
    auto there = fs::path(images_->folders(*layers).front()) / prefix.relative_path();
    EXPECT_FALSE(fs::is_empty(there / "lib/python3.11/__pycache__"));
    return layers->back().digest;
  };
  auto fresh = layer(false);
  EXPECT_EQ(layer(true), fresh);
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

TEST_F(ContainerTest, LayersAndImagesOfReleasesThatAreGoneAreForgotten) {
  auto parts = [&](const std::string& name) {
    return Parts{.code = make_release("code-" + name, {{"main.py", name}}),
                 .venv = make_release("build-" + name + "/venv", {{"lib.py", name}})};
  };
  auto one = parts("1"), two = parts("2");
  auto first = images_->build("shop", "shop:r1", one, {.command = {"/bin/sh"}});
  auto second = images_->build("shop", "shop:r2", two, {.command = {"/bin/sh"}});
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(images_->retain("shop", {two}, {"shop:r2"}));
  auto blobs = images_->layout() / "blobs/sha256";
  for (const auto& layer : {first->layers[1], first->layers[2]}) EXPECT_FALSE(fs::exists(blobs / layer.digest));
  EXPECT_FALSE(fs::exists(blobs / first->digest));
  for (const auto& layer : second->layers) EXPECT_TRUE(fs::exists(blobs / layer.digest)) << layer.name;
  EXPECT_TRUE(images_->missing("shop", two).empty());
}

}  // namespace
}  // namespace environment
