// What apps try to do to each other, to their supervisor and to the host.
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "allocation/group.h"
#include "base/file.h"
#include "environment/port.h"
#include "environment/shared/shared.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class NeighbourTest : public testing_support::SharedTest {
 protected:
  // A running app with a secret in its variables, its data, its home and its memory-backed folders.
  Instance start_victim() {
    auto spec = script(
        "victim", "victim-1",
        "echo k3y > /app/secret; echo k3y > /home/app/secret; echo k3y > /tmp/secret; echo k3y > /dev/shm/secret; "
        "echo ready; while :; do sleep 0.1; done");
    spec.env["SECRET"] = "k3y";
    spec.listen = Listen::unix_socket;
    auto instance = start(spec);
    wait_for_log("victim", "main", "ready");
    return instance;
  }
  // As another app's user would, had it escaped its view: on the host, without rights.
  std::string on_host_as(Identity user, std::vector<std::string> argv) {
    base::Command command{.argv = std::move(argv)};
    command.in_child = [user] {
      (void)!::setgroups(0, nullptr);
      (void)!::setresgid(user.gid, user.gid, user.gid);
      (void)!::setresuid(user.uid, user.uid, user.uid);
    };
    auto output = base::run(command, std::chrono::seconds(10));
    return output ? output->out + output->err : output.error().describe();
  }
};

TEST_F(NeighbourTest, SeesNeitherFilesNorProcessesNorVariablesOfAnother) {
  start_victim();
  auto out =
      output_of(run_spec("thief", make_release("t", {{"a", ""}}),
                         "cat /tmp/* /dev/shm/* /home/app/* /app/secret 2>/dev/null; cat /proc/[0-9]*/environ "
                         "2>/dev/null | tr '\\0' '\\n'; "
                         "grep -h . /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; kill -9 -1 2>/dev/null; true"));
  EXPECT_THAT(out, Not(HasSubstr("k3y")));
  EXPECT_THAT(out, Not(HasSubstr("main.sh")));
  EXPECT_EQ(environment_->inspect("victim-1")->state, InstanceState::running);
  EXPECT_EQ((*connect("victim-1").status())["processes"][0]["restarts"], 0);
}

TEST_F(NeighbourTest, EvenOutsideItsViewItsUserCanTouchNothingOfAnother) {
  auto victim = start_victim();
  auto thief = environment_->prepare("thief").value();
  auto root = layout_.root.string();
  for (const auto& file :
       {layout_.data("victim") / "secret", layout_.home("victim") / "secret", layout_.log("victim", "main"),
        layout_.instance("victim-1") / "own" / "upper", layout_.kept_record("victim")}) {
    EXPECT_THAT(on_host_as(thief, {"cat", file.string()}), HasSubstr("Permission denied")) << file;
  }
  for (const auto& socket : {layout_.app_socket("victim-1"), layout_.control_socket("victim-1")}) {
    auto talk = "import socket; socket.socket(socket.AF_UNIX).connect('" + socket.string() + "')";
    EXPECT_THAT(on_host_as(thief, {"/usr/bin/python3", "-c", talk}), HasSubstr("PermissionError")) << socket;
  }
  EXPECT_THAT(on_host_as(thief, {"kill", "-9", std::to_string(victim.supervisor)}), HasSubstr("not permitted"));
}

TEST_F(NeighbourTest, AnAppCannotReachItsOwnSupervisor) {
  start_victim();
  auto app = environment_->prepare("victim").value();
  auto talk =
      "import socket; socket.socket(socket.AF_UNIX).connect('" + layout_.control_socket("victim-1").string() + "')";
  EXPECT_THAT(on_host_as(app, {"/usr/bin/python3", "-c", talk}), HasSubstr("PermissionError"));
  EXPECT_THAT(on_host_as(app, {"cat", layout_.log("victim", "main").string()}), HasSubstr("Permission denied"));
  auto out = output_of(run_spec("victim", make_release("v2", {{"a", ""}}),
                                "cat /proc/1/environ /proc/1/mem 2>&1 | head -c 300; ls /proc/1/fd 2>&1; kill -9 1; "
                                "kill -TERM 1; sleep 0.1; echo alive"));
  EXPECT_THAT(out, HasSubstr("/proc/1/environ: Permission denied"));
  EXPECT_THAT(out, HasSubstr("'/proc/1/fd': Permission denied"));
  EXPECT_THAT(out, HasSubstr("alive"));
}

TEST_F(NeighbourTest, ThePortOfAProgramWithItsOwnServerIsClosedToOtherUsers) {
  if (auto works = Firewall::probe(); !works) GTEST_SKIP() << works.error().describe();
  auto web = script("shop", "shop-1", "");
  web.network.kind = NetworkKind::host;
  web.listen = Listen::tcp;
  web.processes = {{.name = "web",
                    .argv = {"/bin/sh", "-c", "exec /usr/bin/python3 -m http.server --bind $HOST $PORT"},
                    .is_web = true}};
  auto instance = start(web);
  auto request = fmt::format(
      "import urllib.request, time\n"
      "for attempt in range(100):\n"
      "  try: print(urllib.request.urlopen('http://127.0.0.1:{}/').status); break\n"
      "  except OSError as error: last = error; time.sleep(0.05 if ATTEMPTS else 0)\n"
      "  if not ATTEMPTS: print(last); break\n",
      instance.port);
  auto patient = "ATTEMPTS = True\n" + request, once = "ATTEMPTS = False\n" + request;
  auto identities = Identities::open(layout_).value();
  EXPECT_EQ(on_host_as({0, 0}, {"/usr/bin/python3", "-c", patient}), "200\n");
  EXPECT_EQ(on_host_as(identities.edge(), {"/usr/bin/python3", "-c", once}), "200\n");
  EXPECT_EQ(on_host_as(environment_->prepare("shop").value(), {"/usr/bin/python3", "-c", once}), "200\n");
  EXPECT_THAT(on_host_as(environment_->prepare("thief").value(), {"/usr/bin/python3", "-c", once}),
              HasSubstr("refused"));
  auto spec = run_spec("thief", make_release("t", {{"a", ""}}), "");
  spec.network.kind = NetworkKind::host;
  spec.argv = {"/usr/bin/python3", "-c", once};
  EXPECT_THAT(output_of(spec), HasSubstr("refused"));
  ASSERT_TRUE(environment_->stop("shop-1"));
  Firewall(identities.host_name(), identities.edge().uid).remove();
}

TEST_F(NeighbourTest, APortTakenByAnotherAppIsNotAnsweredFrom) {
  if (auto works = Firewall::probe(); !works) GTEST_SKIP() << works.error().describe();
  auto identities = Identities::open(layout_).value();
  Firewall firewall(identities.host_name(), identities.edge().uid);
  auto port = free_port().value();
  ASSERT_TRUE(firewall.guard(port, environment_->prepare("shop")->uid));
  auto squatter = script("thief", "thief-1", "");
  squatter.network.kind = NetworkKind::host;
  squatter.processes = {
      {.name = "main",
       .argv = {"/usr/bin/python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", std::to_string(port)}}};
  start(squatter);
  wait_for_log("thief", "main", "Serving HTTP");
  auto talk = fmt::format("import socket; s = socket.socket(); s.settimeout(0.5); s.connect(('127.0.0.1', {}))", port);
  EXPECT_THAT(on_host_as(identities.edge(), {"/usr/bin/python3", "-c", talk}), HasSubstr("TimeoutError"));
  firewall.remove();
}

TEST_F(NeighbourTest, RulesAndGroupsOfADeletedRootAreSweptAway) {
  if (auto works = Firewall::probe(); !works) GTEST_SKIP() << works.error().describe();
  auto identities = Identities::open(layout_).value();
  ASSERT_TRUE(Firewall(identities.host_name(), identities.edge().uid).guard(free_port().value(), 4711));
  auto tables = [&] { return on_host_as({0, 0}, {"nft", "list", "tables"}); };
  ASSERT_THAT(tables(), HasSubstr(identities.host_name()));
  auto hierarchy = allocation::Hierarchy::detect().value();
  auto lost = allocation::Group::create(hierarchy, identities.host_name() + "/lost", {}).value();
  ASSERT_TRUE(make_shared_environment({.layout = layout_, .instance_program = SERAI_INSTANCE_PROGRAM}));
  for (const auto& file : lost.entrances()) EXPECT_FALSE(fs::exists(file.parent_path()));
  EXPECT_THAT(tables(), Not(HasSubstr(identities.host_name())));
}

TEST_F(NeighbourTest, TwoRootsNeverShareAUser) {
  auto registry = layout_.root / "uid-ranges";
  Layout other{layout_.root / "other"};
  auto here = Identities::open(layout_, registry).value();
  auto there = Identities::open(other, registry).value();
  EXPECT_NE(here.claim("shop").value(), there.claim("shop").value());
  EXPECT_NE(here.host_name(), there.host_name());
  EXPECT_EQ(Identities::open(other, registry)->claim("shop").value(), there.claim("shop").value());
  EXPECT_NE(here.claim("shop").value(), here.claim("blog").value());
}

TEST_F(NeighbourTest, ACommandWhoseDaemonIsKilledEndsAndIsSweptAway) {
  auto code = make_release("r1", {{"a", ""}});
  auto pipe = base::pipe().value();
  pid_t daemon = ::fork();
  if (daemon == 0) {
    auto spec = run_spec("shop", code, "echo kept > /app/written; echo begun; sleep 1000");
    spec.stdout_fd = pipe.write.get();
    (void)environment_->run_once(spec);
    ::_exit(0);
  }
  char begun[6];
  ASSERT_EQ(::read(pipe.read.get(), begun, sizeof begun), 6);
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  pipe.write.close();
  EXPECT_EQ(::read(pipe.read.get(), begun, sizeof begun),
            0);  // the command has ended: nobody holds its output any more
  ASSERT_FALSE(fs::is_empty(layout_.instances()));
  auto next = make_shared_environment({.layout = layout_, .instance_program = SERAI_INSTANCE_PROGRAM});
  ASSERT_TRUE(next);
  EXPECT_TRUE(fs::is_empty(layout_.instances()));
  EXPECT_EQ(base::read_file(layout_.data("shop") / "written").value_or("(missing)"), "kept\n");
}

// The other end of a terminal, as the user's emulator has it.
struct UserTerminal {
  base::Fd master, slave;
  UserTerminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master.get());
    ::unlockpt(master.get());
    slave = base::open(::ptsname(master.get()), O_RDWR | O_NOCTTY).value();
  }
  std::string read_until(const std::string& text) {
    std::string seen;
    char chunk[1024];
    while (seen.find(text) == std::string::npos) {
      auto count = base::read_some(master.get(), chunk);
      if (!count || !*count || **count == 0) break;
      seen.append(chunk, **count);
    }
    return seen;
  }
};

TEST_F(NeighbourTest, ACommandWithATerminalHasOneOfItsOwn) {
  UserTerminal user;
  winsize window{.ws_row = 33, .ws_col = 77};
  ::ioctl(user.master.get(), TIOCSWINSZ, &window);
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), "");
  spec.argv = {"/bin/sh", "-c", "test -t 0 && tty; read line; stty size; echo got $line; exit 4"};
  spec.terminal = true;
  spec.stdin_fd = spec.stdout_fd = spec.stderr_fd = user.slave.get();
  RunResult result{.status = base::Exited{-1}};
  std::jthread running([&] { result = run(spec); });
  EXPECT_THAT(user.read_until("\n"), HasSubstr("/dev/pts/0"));
  ASSERT_TRUE(base::write_all(user.master.get(), "typed\r"));
  EXPECT_THAT(user.read_until("got typed"), HasSubstr("33 77"));
  running.join();
  EXPECT_EQ(base::describe(result.status), "exit status 4");
}

// Without root: the same commands under the caller's uid, in a user namespace.
TEST_F(NeighbourTest, WorksWithoutRootWithLessIsolation) {
  auto root = layout_.root / "plain";
  auto code = root / "code";
  fs::create_directories(code / "pkg");
  ASSERT_TRUE(base::write_file_atomically(code / "pkg/a.txt", "release"));
  auto program = root / "serai-instance";  // the build folder may be closed to others
  fs::copy_file(SERAI_INSTANCE_PROGRAM, program);
  for (const auto& path : {root, code, code / "pkg", code / "pkg/a.txt"})
    ASSERT_TRUE(base::change_owner(path, 65534, 65534));
  pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)
      ::_exit(10);
    auto plain =
        make_shared_environment({.layout = {root}, .instance_program = program, .uid_registry = root / "ranges"});
    if (!plain) ::_exit(11);
    RunSpec spec;
    spec.app = "shop";
    spec.parts.code = code;
    spec.argv = {
        "/bin/sh", "-c",
        "cat pkg/a.txt; echo kept > data.txt; echo kept > pkg/new.txt; echo $$ > /tmp/x; ls /proc | grep -c '^[0-9]'"};
    auto result = (*plain)->run_once(spec);
    if (!result) {
      fmt::print(stderr, "{}\n", result.error().describe());
      ::_exit(12);
    }
    fmt::print(stderr, "{}", result->err);
    if (result->out.substr(0, 7) != "release") ::_exit(13);
    ::_exit(result->adopted.files == std::vector<std::string>{"pkg/new.txt"} ? 0 : 14);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "step " << WEXITSTATUS(status);
  EXPECT_EQ(base::read_file(root / "apps/shop/data/data.txt").value_or("(missing)"), "kept\n");
}

}  // namespace
}  // namespace environment
