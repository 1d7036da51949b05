// app::BuildPlan: the steps that make /venv for a release, as argument vectors for the sandbox.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "app/interpreter.h"
#include "app/lock.h"

namespace app {

struct BuildStep {
  std::string name;  // "venv", "install", "project", "compile"
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // on top of the sandbox's PATH, HOME, TMPDIR
  std::string input;                       // standard input (a memfd or pipe); empty: none
  std::string cwd = "/app";
  std::chrono::seconds timeout{900};
};

struct BuildPlan {
  std::vector<BuildStep> steps;
  std::string digest;  // hex: content address of the finished /venv
};

struct BuildOptions {
  Interpreter interpreter;
  std::string uv = "/serai/tools/uv";  // as the sandbox sees it
  std::string venv = "/venv";
  std::string cache = "/home/app/.cache/uv";
  std::string code_digest;                      // digest_folder() of the release's code
  std::map<std::string, std::string> host_env;  // host_build_environment()
};

// What of this process's environment a build may see: proxies, package indexes, certificate file.
std::map<std::string, std::string> host_build_environment();

// Wheels are preferred, source distributions are built; nothing is resolved anew when a lock says it all. Bytecode is
// compiled with unchecked hashes, so it stays valid whatever happens to file times.
BuildPlan plan_build(const Lock& lock, const BuildOptions& options);

// How many packages an installation wrote, from uv's output ("Installed 42 packages in …"), and how many of them were
// not in the cache; -1 where it does not say.
struct BuildCounts {
  int packages = -1, downloaded = -1;
};
BuildCounts count_packages(std::string_view uv_output);

}  // namespace app
