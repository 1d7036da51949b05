// A daemon's services around fakes: an environment that keeps its state in folders of a temporary root, so that it
// outlives a killed process as the real one does, and a front that remembers its table.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "daemon/deploy/deploys.h"
#include "daemon/services.h"

namespace control_plane::testing_support {

// The child of read_upload(), which is what it should be unless the app's name says otherwise (upload_reader_test.cc).
int read_upload_in_child_or_misbehave();

// One-off commands do nothing; an instance is a folder and, when it listens on TCP, a thread that answers 200.
class FakeEnvironment final : public environment::Environment {
 public:
  explicit FakeEnvironment(const Paths& paths) : paths_(paths) {}
  ~FakeEnvironment() override;

  base::Result<void> check(const environment::Demand& demand) override;
  base::Result<environment::Identity> prepare(const std::string& app) override;
  base::Result<environment::Instance> start(const environment::InstanceSpec& spec,
                                            environment::Launch& launch) override;
  base::Result<environment::Adoption> stop(const std::string& id) override;
  base::Result<void> destroy(const std::string& id) override;
  base::Result<void> forget(const std::string& app) override;
  base::Result<environment::Inspection> inspect(const std::string& id) override;
  base::Result<void> freeze(const std::string& id) override;
  base::Result<void> thaw(const std::string& id) override;
  base::Result<std::vector<std::string>> instances() override;
  base::Result<environment::RunResult> run_once(const environment::RunSpec& spec) override;
  base::Result<std::vector<std::string>> unadopted(const std::string&) override { return unadopted_; }
  base::Result<environment::Kept> kept(const std::string&) override { return environment::Kept{}; }
  environment::Facts doctor() override { return {}; }

  std::string fail_command;             // a one-off command that holds this text ends with exit status 1
  bool fail_start = false;              // an instance does not start
  std::set<environment::Kind> refused;  // kinds that this host cannot do
  int answer = 200;                     // of the instances; 0: they never listen
  std::vector<std::string> unadopted_;  // what every instance wrote beside its data folders
  std::vector<std::string> commands;    // that ran, joined by spaces
  std::vector<std::string> stopped;     // ids, in order
  std::vector<environment::Kind> started;
  std::set<std::string> frozen;  // ids

 private:
  void serve(std::uint16_t port);

  const Paths& paths_;
  std::mutex mutex_;
  std::vector<std::jthread> servers_;
};

class FakeFront final : public Front {
 public:
  base::Result<void> apply(const nlohmann::json& routes) override;
  base::Result<Traffic> traffic(const std::string&) override { return Traffic{}; }
  std::vector<std::string> addresses() const override { return {"127.0.0.1:8080"}; }
  // The app's entry of the last table; null when it has none.
  nlohmann::json entry(const std::string& app) const;

  nlohmann::json table;
  std::vector<std::string> states;  // of the app "shop", table by table
};

// One daemon's life over a root; make another one over the same root to see what the next daemon does.
struct Host {
  explicit Host(const std::filesystem::path& root, std::string crash_at = {});

  // Waits for the deploy's end and gives its last event.
  nlohmann::json finish(const Result<std::string>& id);
  Placement placement(const std::string& app);

  Paths paths;
  Tools tools;
  std::unique_ptr<Store> store;
  FakeEnvironment environment;
  FakeFront front;
  Feed feed;
  Routes routes;
  std::unique_ptr<Trash> trash;
  Services services;
  Deploys deploys;
};

class HostTest : public testing::Test {
 protected:
  HostTest();
  ~HostTest() override;
  // Packs these files as an upload; gives its id.
  std::string upload(const std::map<std::string, std::string>& files);
  // Names of a folder's entries below the root.
  std::set<std::string> names(const std::string& folder) const;

  std::filesystem::path root_;
};

}  // namespace control_plane::testing_support
