// A root of its own for one test, with helpers; checks after the test that nothing is left behind.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "environment/container/images.h"
#include "environment/environment.h"
#include "environment/supervisor.h"

namespace environment::testing_support {

class SharedTest : public testing::Test {
 protected:
  SharedTest();
  ~SharedTest() override;
  void SetUp() override;
  void TearDown() override;

  // What the daemon that comes after this one makes of the root.
  void new_daemon();
  virtual ImagesOptions images_options() const { return {.folder = layout_.images()}; }
  std::filesystem::path make_release(const std::string& name, const std::map<std::string, std::string>& files);
  InstanceSpec spec(const std::string& app, const std::string& id, const std::filesystem::path& code);
  // A worker process named "main" that runs a shell script.
  InstanceSpec script(const std::string& app, const std::string& id, const std::string& text);
  RunSpec run_spec(const std::string& app, const std::filesystem::path& code, const std::string& script);
  RunResult run(const RunSpec& spec);
  std::string output_of(const RunSpec& spec);
  Instance start(const InstanceSpec& spec);
  // Waits for an event of this kind (of this process, if given).
  nlohmann::json wait_for(Supervisor& supervisor, const std::string& event, const std::string& process = "");
  Supervisor connect(const std::string& id);
  // Waits until the process's log holds the text.
  void wait_for_log(const std::string& app, const std::string& process, const std::string& text);
  std::string log(const std::string& app, const std::string& process);

  Layout layout_;
  std::unique_ptr<Images> images_;
  std::unique_ptr<Environment> environment_;

 private:
  std::string before_;  // what the host had of this root's names already
};

}  // namespace environment::testing_support
