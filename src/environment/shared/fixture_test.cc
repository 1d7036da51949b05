#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment::testing_support {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

std::string make_root() {
  std::string pattern = (fs::temp_directory_path() / "serai-env-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

// Mounts, control groups and processes that mention the root's host-wide name or its path.
std::string leftovers(const Layout& layout) {
  std::string found;
  auto mounts = base::read_file("/proc/self/mountinfo").value();
  if (mounts.find(layout.root.string()) != std::string::npos) found += "a mount below the root; ";
  for (const auto& entry : fs::directory_iterator("/proc")) {
    auto uid = base::read_file(entry.path() / "loginuid");
    std::error_code error;
    auto command = base::read_file(entry.path() / "cmdline").value_or("");
    if (command.find("serai-instance") == std::string::npos) continue;
    auto parent = base::read_file(entry.path() / "environ");
    if (command.find("serai-instance") != std::string::npos && fs::exists(entry.path() / "fd")) {
      for (const auto& fd : fs::directory_iterator(entry.path() / "fd", error)) {
        if (fs::read_symlink(fd.path(), error).string().starts_with(layout.root.string())) {
          found += "a serai-instance process; ";
          break;
        }
      }
    }
  }
  if (fs::exists(layout.instances()) && !fs::is_empty(layout.instances())) found += "an instance folder; ";
  return found;
}

}  // namespace

SharedTest::SharedTest() : layout_{make_root()} {}
SharedTest::~SharedTest() { (void)base::remove_tree(layout_.root); }

void SharedTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "starts real instances: needs root";
  ::chmod(layout_.root.c_str(), 0711);
  auto made = make_shared_environment(
      {.layout = layout_, .instance_program = SERAI_INSTANCE_PROGRAM, .uid_registry = layout_.root / "uid-ranges"});
  ASSERT_TRUE(made) << made.error().describe();
  environment_ = std::move(*made);
}

void SharedTest::TearDown() {
  if (!environment_) return;
  auto ids = environment_->instances();
  for (const auto& id : *ids) {
    auto destroyed = environment_->destroy(id);
    EXPECT_TRUE(destroyed) << destroyed.error().describe();
  }
  EXPECT_EQ(leftovers(layout_), "");
}

fs::path SharedTest::make_release(const std::string& name, const std::map<std::string, std::string>& files) {
  auto folder = layout_.root / "releases" / name;
  fs::create_directories(folder);
  for (const auto& [path, content] : files) {
    fs::create_directories((folder / path).parent_path());
    std::ofstream(folder / path) << content;
  }
  return folder;
}

InstanceSpec SharedTest::spec(const std::string& app, const std::string& id, const fs::path& code) {
  InstanceSpec spec;
  spec.app = app;
  spec.id = id;
  spec.parts.code = code;
  spec.listen = Listen::nothing;
  spec.graceful_timeout = milliseconds(5000);
  return spec;
}

InstanceSpec SharedTest::script(const std::string& app, const std::string& id, const std::string& text) {
  auto made = spec(app, id, make_release(id, {{"main.sh", text}}));
  made.processes = {{.name = "main", .argv = {"/bin/sh", "/app/main.sh"}, .restart = Restart::never}};
  return made;
}

RunSpec SharedTest::run_spec(const std::string& app, const fs::path& code, const std::string& script) {
  RunSpec spec;
  spec.app = app;
  spec.parts.code = code;
  spec.argv = {"/bin/sh", "-c", script};
  spec.timeout = milliseconds(30'000);
  return spec;
}

RunResult SharedTest::run(const RunSpec& spec) {
  auto result = environment_->run_once(spec);
  EXPECT_TRUE(result) << result.error().describe();
  return result ? std::move(*result) : RunResult{.status = base::Exited{-1}};
}

std::string SharedTest::output_of(const RunSpec& spec) {
  auto result = run(spec);
  EXPECT_TRUE(base::succeeded(result.status)) << base::describe(result.status) << "\n" << result.err;
  return result.out;
}

Instance SharedTest::start(const InstanceSpec& spec) {
  Launch launch;
  auto started = environment_->start(spec, launch);
  EXPECT_TRUE(started) << started.error().describe();
  return started.value_or(Instance{});
}

Supervisor SharedTest::connect(const std::string& id) {
  auto supervisor = Supervisor::connect(layout_, id);
  EXPECT_TRUE(supervisor) << supervisor.error().describe();
  EXPECT_TRUE(supervisor->subscribe(0));
  return std::move(*supervisor);
}

nlohmann::json SharedTest::wait_for(Supervisor& supervisor, const std::string& event, const std::string& process) {
  for (;;) {
    auto next = supervisor.next_event(milliseconds(20'000));
    EXPECT_TRUE(next) << "waiting for " << event << ": " << next.error().describe();
    if (!next) return {};
    if ((*next)["event"] == event && (process.empty() || next->value("process", "") == process)) return *next;
  }
}

std::string SharedTest::log(const std::string& app, const std::string& process) {
  return base::read_file(layout_.log(app, process)).value_or("");
}

void SharedTest::wait_for_log(const std::string& app, const std::string& process, const std::string& text) {
  for (int i = 0; i < 4000; i++) {
    if (log(app, process).find(text) != std::string::npos) return;
    std::this_thread::sleep_for(milliseconds(5));
  }
  FAIL() << "no \"" << text << "\" in the log:\n" << log(app, process);
}

}  // namespace environment::testing_support
