// client::Client: the daemon's API, one method per call (docs/api.md describes each answer's JSON).
//
// Speaks HTTP over the Unix socket ROOT/api.sock. One call at a time; blocking. A daemon that is not there is
// `unavailable`, with the advice to start it; errors of the API come back as the base::Error they were.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace client {

using base::Result;
using nlohmann::json;

// Called with each line of a stream; false ends the stream.
using OnEvent = std::function<bool(const json& event)>;
// Fills `into` with up to `size` bytes and returns how many; 0 at the end, negative when it failed.
using ReadBytes = std::function<std::ptrdiff_t(char* into, std::size_t size)>;

struct DeployRequest {
  std::string upload, app;
  std::map<std::string, std::string> env;
  bool only_detect = false;  // stop once it is known how the app would run; keep nothing
  std::string environment;   // the kind of environment; empty: serai.toml, else where the app runs, else shared
};
struct LogQuery {
  std::string process;  // empty: all
  int lines = 100;
  bool follow = false;
};
// A one-off command. The three descriptors are handed to it as they are.
struct RunRequest {
  std::string app;
  std::vector<std::string> argv;
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;
  bool terminal = false;
};

class Client {
 public:
  explicit Client(std::filesystem::path root);

  Result<json> version() const;
  Result<json> doctor() const;
  // Whether an app can be in this kind of environment here at all; the error says why not.
  Result<json> check_environment(const std::string& kind, const std::string& app) const;
  // Ends the daemon; with `everything` also the edge and all instances.
  Result<json> stop_host(bool everything) const;

  Result<std::string> upload(const ReadBytes& read) const;         // the upload's id
  Result<std::string> deploy(const DeployRequest& request) const;  // the deploy's id
  Result<void> watch_deploy(const std::string& id, const OnEvent& on_event) const;

  Result<json> apps() const;
  Result<json> status(const std::string& app) const;
  Result<json> releases(const std::string& app) const;
  Result<json> config(const std::string& app) const;
  Result<json> limits(const std::string& app) const;
  Result<void> logs(const std::string& app, const LogQuery& query, const OnEvent& on_event) const;

  // Each begins a deploy and returns its id; `release` 0 means the one before.
  Result<std::string> rollback(const std::string& app, int release) const;
  Result<std::string> restart(const std::string& app) const;
  Result<std::string> start(const std::string& app) const;
  Result<std::string> move(const std::string& app, const std::string& kind) const;
  // So many of a hundred requests for these kinds of environment.
  Result<std::string> split(const std::string& app, const std::map<std::string, int>& shares) const;
  Result<std::string> change_env(const std::string& app, const std::map<std::string, std::string>& set,
                                 const std::vector<std::string>& unset) const;
  Result<json> stop(const std::string& app) const;
  // Makes the OCI image of the live release when it is not there yet.
  Result<json> build_image(const std::string& app) const;
  Result<json> refresh_images() const;
  Result<json> destroy(const std::string& app) const;

  Result<json> env(const std::string& app) const;
  Result<json> domains(const std::string& app) const;
  Result<json> add_domain(const std::string& app, const std::string& host) const;
  Result<json> remove_domain(const std::string& app, const std::string& host) const;

  // Runs a command in a fresh instance of the app's release and returns its exit code.
  Result<int> run(const RunRequest& request) const;

 private:
  Result<json> call(const char* method, const std::string& path, const json* body = nullptr) const;
  Result<std::string> begin_deploy(const std::string& path, const json& body) const;
  Result<void> stream(const std::string& path, const OnEvent& on_event) const;
  std::string socket() const { return (root_ / "api.sock").string(); }

  std::filesystem::path root_;
};

// One part of a path, percent-encoded.
std::string encode(std::string_view part);
// A request's body; what a user typed may be no text (invalid).
Result<std::string> text_of(const json& body);

}  // namespace client
