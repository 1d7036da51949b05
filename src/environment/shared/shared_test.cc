#include "environment/shared/shared.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing_support::SharedTest;

TEST_F(SharedTest, RunsACommandAsTheAppsUserAndGivesItsOutput) {
  auto result = run(run_spec("shop", make_release("r1", {{"hello.txt", "hello"}}),
                             "id -u; id -un; cat hello.txt; echo oops >&2; exit 3"));
  EXPECT_EQ(base::describe(result.status), "exit status 3");
  EXPECT_THAT(result.out, HasSubstr("app\nhello"));
  EXPECT_EQ(std::stoul(result.out), environment_->prepare("shop")->uid);
  EXPECT_EQ(result.err, "oops\n");
}

TEST_F(SharedTest, ShowsOnlyItsOwnFilesAndProcesses) {
  auto code = make_release("r1", {{"a", ""}});
  auto out = output_of(
      run_spec("shop", code,
               "ls -A / /home /etc; echo; ls /proc | grep -c '^[0-9]'; grep -c . /proc/self/mountinfo >/dev/null"));
  EXPECT_THAT(out, Not(HasSubstr("root\n")));
  EXPECT_THAT(out, Not(HasSubstr("shadow")));
  EXPECT_THAT(out, HasSubstr("app"));
  EXPECT_NE(run(run_spec("shop", code, "ls " + layout_.root.string())).err, "");
  EXPECT_LE(std::stoi(out.substr(out.rfind("\n", out.size() - 2) + 1)), 5);
}

TEST_F(SharedTest, GivesUpRightsForGood) {
  auto out = output_of(run_spec("shop", make_release("r1", {{"a", ""}}),
                                "grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/self/status"));
  EXPECT_THAT(out, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(out, HasSubstr("CapBnd:\t0000000000000000"));
  EXPECT_THAT(out, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(out, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(out, HasSubstr("Groups:\t \n"));
}

TEST_F(SharedTest, RefusesNewNamespacesMountsAndStrangeSockets) {
  auto out = output_of(run_spec("shop", make_release("r1", {{"a", ""}}), R"(/usr/bin/python3 - <<'END'
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
def outcome(result): return errno.errorcode[ctypes.get_errno()] if result < 0 else 'allowed'
print('unshare', outcome(libc.unshare(0x10000000)))
print('mount', outcome(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)))
print('io_uring', outcome(libc.syscall(425, 1, None)))
print('keyctl', outcome(libc.syscall(250, 0, 0, 0, 0, 0)))
for family in (38, 17, 16):
    try: socket.socket(family, socket.SOCK_RAW, 12 if family == 16 else 0); print('socket allowed', family)
    except OSError as error: print('socket refused', family)
socket.socket(socket.AF_INET6)
END)"));
  EXPECT_EQ(out,
            "unshare EPERM\nmount EPERM\nio_uring ENOSYS\nkeyctl EPERM\nsocket refused 38\nsocket refused 17\nsocket "
            "refused 16\n");
}

TEST_F(SharedTest, CannotWriteOutsideItsOwnPlaces) {
  auto code = make_release("r1", {{"main.py", "print(1)"}, {"pkg/x.py", ""}});
  auto result = run(run_spec(
      "shop", code,
      "for f in /usr/x /etc/passwd /x /app/main.py /dev/x; do (echo x > $f) 2>/dev/null && echo wrote $f; done; "
      "for f in /tmp/x /home/app/x /app/new /dev/shm/x; do echo x > $f || echo cannot $f; done; true"));
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(base::read_file(code / "main.py").value(), "print(1)");
}

TEST_F(SharedTest, KeepsTemporaryFilesOnDiskAndForgetsThem) {
  auto code = make_release("r1", {{"a", ""}});
  auto spec = run_spec(
      "shop", code, "stat -f -c %T /tmp /var/tmp; head -c 150000000 /dev/zero > /tmp/upload && stat -c %s /tmp/upload");
  spec.limits.memory = 64 << 20;
  auto out = output_of(spec);
  EXPECT_THAT(out, Not(HasSubstr("tmpfs")));
  EXPECT_THAT(out, HasSubstr("150000000"));
  EXPECT_EQ(output_of(run_spec("shop", code, "ls -A /tmp /var/tmp")), "/tmp:\n\n/var/tmp:\n");
}

TEST_F(SharedTest, KillsACommandAtItsTimeout) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), "echo begun; sleep 1000 & sleep 1000");
  spec.timeout = std::chrono::milliseconds(300);
  auto result = run(spec);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.out, "begun\n");
}

TEST_F(SharedTest, EndsAMemoryHogAndSaysWhy) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}),
                       "exec /usr/bin/python3 -c 'x = bytearray(400 << 20); print(len(x))'");
  spec.limits.memory = 64 << 20;
  auto result = run(spec);
  EXPECT_EQ(base::describe(result.status), "signal 9 (SIGKILL)");
  EXPECT_TRUE(result.out_of_memory);
  EXPECT_GE(result.hits.out_of_memory_kills, 1u);
}

TEST_F(SharedTest, HoldsAForkBombInItsLimit) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), R"(/usr/bin/python3 - <<'END'
import os, sys
children = 0
try:
    while children < 1000:
        if os.fork() == 0: os.read(0, 1) if False else __import__('signal').pause()
        children += 1
except OSError: pass
print(children)
END)");
  spec.limits.processes = 32;
  auto result = run(spec);
  EXPECT_LT(std::stoi(result.out), 32);
  EXPECT_GE(result.hits.processes_refused, 1u);
}

TEST_F(SharedTest, HoldsACpuHogInItsLimit) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), R"PY(/usr/bin/python3 -c "
import time
end = time.monotonic() + 1.5
while time.monotonic() < end: pass
print(time.process_time())")PY");
  spec.limits.cpu = 0.2;
  auto result = run(spec);
  EXPECT_LT(std::stod(result.out), 0.8);
  EXPECT_GE(result.hits.cpu_throttled, 3u);
}

TEST_F(SharedTest, StreamsOutputWhileACommandRuns) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), "echo one; echo two >&2");
  std::string out, err;
  spec.on_output = [&](RunSpec::Stream stream, std::string_view bytes) {
    (stream == RunSpec::Stream::out ? out : err) += bytes;
  };
  run(spec);
  EXPECT_EQ(out, "one\n");
  EXPECT_EQ(err, "two\n");
}

// What other releases run on too is never changed once it is made.
TEST_F(SharedTest, BuildPhasesWriteTheCodeAndNotTheVenv) {
  auto code = make_release("r1", {{"a", ""}});
  auto spec = run_spec("shop", code, "echo x > /app/static.css; echo z > /cache/c; echo y > /venv/lib");
  spec.view = View::build;
  spec.parts.venv = make_release("venv", {});
  EXPECT_NE(run(spec).err.find("Read-only file system"), std::string::npos);
  EXPECT_EQ(base::read_file(code / "static.css").value(), "x\n");
  EXPECT_TRUE(fs::is_empty(spec.parts.venv));
}

TEST_F(SharedTest, InstallationsWriteTheCodeAndTheVenvAndLeaveNoData) {
  auto code = make_release("r1", {{"a", ""}});
  auto venv = make_release("venv", {});
  auto spec = run_spec("shop", code, "echo x > /app/static.css; echo y > /venv/lib; echo z > /cache/c");
  spec.view = View::install;
  spec.parts.venv = venv;
  output_of(spec);
  EXPECT_EQ(base::read_file(code / "static.css").value(), "x\n");
  EXPECT_EQ(base::read_file(venv / "lib").value(), "y\n");
  EXPECT_TRUE(fs::is_empty(layout_.data("shop")));
}

TEST_F(SharedTest, StartsProcessesKeepsTheirLogsAndStops) {
  start(script("shop", "shop-1",
               "echo hello; echo problem >&2; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"));
  wait_for_log("shop", "main", "main out hello");
  wait_for_log("shop", "main", "main err problem");
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::running);
  auto stopped = environment_->stop("shop-1");
  ASSERT_TRUE(stopped) << stopped.error().describe();
  EXPECT_THAT(log("shop", "main"), HasSubstr("main out bye"));
  EXPECT_EQ(environment_->inspect("shop-1")->state, InstanceState::ended);
}

TEST_F(SharedTest, KillsWhatDoesNotStopInTime) {
  auto spec = script("shop", "shop-1", "trap '' TERM; echo deaf; while :; do sleep 0.05; done");
  spec.graceful_timeout = std::chrono::milliseconds(200);
  start(spec);
  wait_for_log("shop", "main", "deaf");
  ASSERT_TRUE(environment_->stop("shop-1"));
}

TEST_F(SharedTest, ReplaysWhatHappenedToADaemonThatConnectsLater) {
  auto spec = script("shop", "shop-1", "true");
  spec.processes = {{.name = "crashing", .argv = {"/bin/sh", "-c", "echo last words; exit 7"}},
                    {.name = "killed", .argv = {"/bin/sh", "-c", "kill -SEGV $$"}, .restart = Restart::never},
                    {.name = "steady", .argv = {"/bin/sleep", "1000"}}};
  start(spec);
  wait_for_log("shop", "crashing", "ended: exit status 7, starts again in 500 ms");
  auto supervisor = connect("shop-1");
  auto crashed = wait_for(supervisor, "process_exited", "crashing");
  EXPECT_EQ(crashed["cause"], "exit");
  EXPECT_EQ(crashed["code"], 7);
  EXPECT_EQ(crashed["output"], "last words\n");
  EXPECT_EQ(crashed["restart_in_ms"], 250);
  auto again = connect("shop-1");
  EXPECT_EQ(wait_for(again, "process_exited", "killed")["description"], "signal 11 (SIGSEGV)");
  auto status = supervisor.status();
  ASSERT_TRUE(status) << status.error().describe();
  EXPECT_EQ((*status)["processes"][2]["state"], "running");
}

TEST_F(SharedTest, SaysThatAProcessRanOutOfMemory) {
  auto spec = script("shop", "shop-1", "exec /usr/bin/python3 -c 'x = bytearray(400 << 20)'");
  spec.limits.memory = 64 << 20;
  start(spec);
  wait_for_log("shop", "main", "ended: out of memory");
}

TEST_F(SharedTest, AProgramThatIsNotThereFailsTheStartAndLeavesNothing) {
  auto spec = script("shop", "shop-1", "true");
  spec.processes[0].argv = {"/app/missing"};
  Launch launch;
  auto started = environment_->start(spec, launch);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().describe(), HasSubstr("start process \"main\": start /app/missing"));
  EXPECT_EQ(launch.steps().back().name, "processes");
  EXPECT_EQ(launch.steps().back().state, StepState::failed);
  EXPECT_TRUE(environment_->instances()->empty());
}

TEST_F(SharedTest, HandsTheListeningSocketAndAControlSocketToTheWebProcess) {
  auto code = make_release("r1", {{"web.py", R"(
import os, socket, json, struct, sys
control = socket.socket(fileno=int(os.environ['SERAI_CONTROL_FD']))
def tell(body):
    text = json.dumps(body).encode()
    control.sendall(struct.pack('<I', len(text)) + text)
tell({'type': 'hello', 'version': 1, 'role': 'master'})
tell({'type': 'ready'})
listener = socket.socket(fileno=3)
listener.setblocking(True)
while True:
    peer, _ = listener.accept()
    peer.sendall(b'hello from inside')
    peer.close()
)"}});
  auto web = spec("shop", "shop-1", code);
  web.listen = Listen::unix_socket;
  web.processes = {{.name = "web", .argv = {"/usr/bin/python3", "/app/web.py"}, .is_web = true}};
  auto instance = start(web);
  auto supervisor = connect("shop-1");
  EXPECT_EQ(wait_for(supervisor, "server")["message"]["type"], "ready");
  auto talk = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('" + instance.socket.string() +
              "'); print(s.recv(100).decode())";
  auto answer = base::run({.argv = {"/usr/bin/python3", "-c", talk}}, std::chrono::seconds(10));
  EXPECT_EQ(answer->out, "hello from inside\n") << answer->err;
  struct stat facts;
  ASSERT_EQ(::stat(instance.socket.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0660u);
}

TEST_F(SharedTest, ASecondEnvironmentFindsWhatTheFirstStarted) {
  start(script("shop", "shop-1", "echo up; sleep 1000"));
  auto later = make_shared_environment({.layout = layout_, .instance_program = SERAI_INSTANCE_PROGRAM});
  ASSERT_TRUE(later);
  EXPECT_THAT((*later)->instances().value(), testing::ElementsAre("shop-1"));
  EXPECT_EQ((*later)->inspect("shop-1")->state, InstanceState::running);
  EXPECT_TRUE((*later)->destroy("shop-1"));
}

TEST_F(SharedTest, TheDoctorTriesThingsOut) {
  for (const auto& fact : environment_->doctor()) {
    bool must_work = fact.name == "isolation" || fact.name == "users";
    EXPECT_TRUE(!must_work || fact.state == Fact::State::good) << fact.name << ": " << fact.found;
    EXPECT_NE(fact.found, "") << fact.name;
  }
}

}  // namespace
}  // namespace environment
