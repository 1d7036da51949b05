// cli::Context: what every command shares: global options, the client, and how results and errors are shown.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "client/client.h"

namespace CLI {
class App;
}

namespace cli {

using base::Result;
using nlohmann::json;

// Exit codes: 0 done, 1 failed, 2 wrong use.
class Context {
 public:
  std::string root = "/var/lib/serai";
  bool json_output = false;
  bool yes = false;
  std::vector<std::string> command;  // what stands after `run APP`, as it was written

  client::Client client() const { return client::Client(root); }
  // Whether people read standard output or standard error: colours and progress only then.
  bool on_terminal() const;
  bool colours() const;
  // Asks a yes/no question; --yes answers it. Without a terminal it is a wrong use that names --yes.
  Result<bool> ask(const std::string& question) const;
  void print_json(const json& value) const;
  // Three lines on standard error: what was tried, what was found, what to do. Returns the exit code.
  int report(const base::Error& error) const;
};

// The three lines, without a colour: for tests.
std::string describe_for_people(const base::Error& error);

}  // namespace cli
