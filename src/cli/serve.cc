// serai serve …: becomes `python -m serai …` of the active environment; the engine is a Python package.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/child.h"
#include "base/library.h"
#include "cli/command.h"

namespace cli {
namespace {

struct Options {
  CLI::App* command = nullptr;
};

std::string active_python() {
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment && *environment) {
    return std::string(environment) + "/bin/python";
  }
  return "python3";
}

// The folder to add to PYTHONPATH so that this interpreter finds the engine; empty when it has one of its own.
Result<std::string> engine_folder(const std::string& python) {
  constexpr auto question =
      "import sys, importlib.util as u; print(1 if u.find_spec('serai') else 0, sys.implementation.cache_tag)";
  auto answer = base::run({.argv = {python, "-c", question}, .env = {}, .cwd = "/"}, std::chrono::seconds(20));
  if (!answer) return std::unexpected(answer.error());
  if (!base::succeeded(answer->status) || answer->out.size() < 3) {
    return base::fail(base::Kind::unavailable, "{} does not work: {}", python, answer->err);
  }
  if (answer->out[0] == '1') return "";
  auto tag = answer->out.substr(2, answer->out.find('\n') - 2);
  auto library = base::library_folder();
  if (library && std::filesystem::is_directory(*library / "engine" / tag)) return (*library / "engine" / tag).string();
  return std::unexpected(base::Error(base::Kind::unsupported, fmt::format("{} ({}) has no serai package", python, tag),
                                     "install the wheel in this environment: pip install serai"));
}

Result<int> serve(const Context&, const Options& options) {
  auto python = active_python();
  auto engine = engine_folder(python);
  if (!engine) return base::wrap(engine.error(), "serve with the engine");
  if (!engine->empty()) {
    const char* path = std::getenv("PYTHONPATH");
    ::setenv("PYTHONPATH", (path && *path ? *engine + ":" + path : *engine).c_str(), 1);
  }
  std::vector<std::string> argv = {python, "-m", "serai"};
  for (const auto& argument : options.command->remaining()) argv.push_back(argument);
  std::vector<char*> pointers;
  for (auto& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execvp(python.c_str(), pointers.data());
  return base::errno_error("start " + python);
}

}  // namespace

void add_serve(const Parser& parser) {
  auto options = std::make_shared<Options>();
  options->command = add_command(parser, parser.app, "serve", "Serve an app without a platform: python -m serai",
                                 "serai serve mysite.wsgi:application --bind :8000 --workers 2", options, serve);
  options->command->fallthrough(false)->prefix_command()->set_help_flag();
}

}  // namespace cli
