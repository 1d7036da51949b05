#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "allocation/group.h"
#include "base/file.h"
#include "environment/registry.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment::testing_support {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

std::string make_root() {
  std::string pattern = (fs::temp_directory_path() / "serai-env-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

// The uid of a process that has not ended.
std::optional<uid_t> uid_of(const fs::path& process) {
  auto status = base::read_file(process / "status");
  if (!status || status->find("State:\tZ") != std::string::npos) return std::nullopt;
  auto line = status->find("\nUid:\t");
  if (line == std::string::npos) return std::nullopt;
  return static_cast<uid_t>(std::stoul(status->substr(line + 6)));
}

// What of this root the host still has: mounts, processes of its users, control groups, instance folders.
std::string leftovers(const Layout& layout, const Identities& identities) {
  std::string found;
  if (base::read_file("/proc/self/mountinfo")->find(layout.root.string()) != std::string::npos) found += "a mount; ";
  for (const auto& entry : fs::directory_iterator("/proc")) {
    auto uid = uid_of(entry.path());
    if (uid && *uid >= identities.edge().uid && *uid < identities.edge().uid + 4096)
      found += "process " + entry.path().filename().string() + "; ";
  }
  auto groups = allocation::Group::at(allocation::Hierarchy::detect().value(), identities.host_name());
  for (const auto& file : groups.entrances())
    if (fs::exists(file.parent_path())) found += file.parent_path().string() + "; ";
  for (const auto& entry : fs::directory_iterator("/sys/class/net")) {
    auto group = base::read_file(entry.path() / "netdev_group").value_or("");
    if (identities.is_root() && group == fmt::format("{}\n", identities.number()))
      found += "interface " + entry.path().filename().string() + "; ";
  }
  if (!fs::is_empty(layout.instances())) found += "an instance folder; ";
  return found;
}

}  // namespace

SharedTest::SharedTest() : layout_{make_root()} {}
SharedTest::~SharedTest() { (void)base::remove_tree(layout_.root); }

void SharedTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "starts real instances: needs root";
  ::chmod(layout_.root.c_str(), 0711);
  new_daemon();
  ASSERT_TRUE(environment_);
  // Not empty when an earlier root of the same range was deleted without being stopped.
  before_ = leftovers(layout_, Identities::open(layout_).value());
}

void SharedTest::new_daemon() {
  environment_.reset();
  auto images = Images::open(images_options());
  ASSERT_TRUE(images) << images.error().describe();
  images_ = std::move(*images);
  auto made = make_registry({.layout = layout_, .instance_program = SERAI_INSTANCE_PROGRAM}, *images_);
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
  // The host's own registry: the roots of others, which run beside the tests, have other users.
  auto identities = Identities::open(layout_).value();
  EXPECT_EQ(leftovers(layout_, identities), before_);
  EXPECT_TRUE(identities.give_up_range());
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
