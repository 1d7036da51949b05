#include "app/build.h"

#include <array>
#include <cstdlib>

#include "app/digest.h"
#include "app/text.h"

namespace app {
namespace {

using std::chrono::seconds;
using Arguments = std::vector<std::string>;

// Counts up whenever the same inputs would give another /venv.
constexpr std::string_view plan_version = "1";

std::map<std::string, std::string> environment_of(const BuildOptions& options) {
  auto env = options.host_env;
  env["UV_CACHE_DIR"] = options.cache;
  env["UV_PYTHON_DOWNLOADS"] = "never";
  env["UV_NO_PROGRESS"] = "1";
  env["UV_LINK_MODE"] = "copy";  // the cache and /venv are different mounts
  env["UV_SYSTEM_CERTS"] = "1";
  env["UV_PROJECT_ENVIRONMENT"] = options.venv;
  env["VIRTUAL_ENV"] = options.venv;
  env["PYC_INVALIDATION_MODE"] = "UNCHECKED_HASH";
  // The upload holds no repository to ask for a version.
  env["SETUPTOOLS_SCM_PRETEND_VERSION"] = "0.0.0";
  return env;
}

class Planner {
 public:
  Planner(const Lock& lock, const BuildOptions& options)
      : lock_(lock), options_(options), python_(options.venv + "/bin/python") {}

  std::vector<BuildStep> steps() {
    add("venv", {"venv", "--allow-existing", "--no-project", "--python", options_.interpreter.path, options_.venv})
        .timeout = seconds(120);
    add_install();
    if (lock_.project == Lock::Project::editable) add("project", pip({"--no-deps", "--editable", "."}));
    return std::move(steps_);
  }

 private:
  BuildStep& add(std::string name, Arguments arguments) {
    arguments.insert(arguments.begin(), options_.uv);
    return steps_.emplace_back(BuildStep{std::move(name), std::move(arguments), environment_of(options_)});
  }

  Arguments pip(Arguments what) const {
    Arguments arguments = {"pip", "install", "--python", python_, "--compile-bytecode"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    return arguments;
  }

  void add_install() {
    switch (lock_.kind) {
      case LockKind::none:
        return;
      case LockKind::uv:
        add("install", {"sync", "--frozen", "--no-dev", "--compile-bytecode", "--python", python_});
        return;
      case LockKind::poetry:
      case LockKind::pipfile:
        add("install", pip({"--no-deps", "--require-hashes", "--requirements", "-"})).input =
            lock_.requirements.value_or("");
        return;
      case LockKind::requirements:
        add("install", pip(lock_.hashed ? Arguments{"--require-hashes", "--requirements", lock_.file}
                                        : Arguments{"--requirements", lock_.file}));
        return;
      case LockKind::pylock:
        add("install", pip({"--preview-features", "pylock", "--requirements", lock_.file}));
        return;
      case LockKind::pyproject:
        add("install", pip({"--requirements", lock_.file}));
        return;
    }
  }

  const Lock& lock_;
  const BuildOptions& options_;
  std::string python_;
  std::vector<BuildStep> steps_;
};

// "Installed 42 packages in 1.2s": the number after the word; -1 when the line is not there.
int count_after(std::string_view output, std::string_view word) {
  long long number;
  for (auto line : split_lines(output)) {
    auto words = split_words(line);
    if (words.size() >= 3 && words[0] == word && words[2].starts_with("package") && parse_number(words[1], number))
      return static_cast<int>(number);
  }
  return -1;
}

}  // namespace

std::map<std::string, std::string> host_build_environment() {
  constexpr std::array names = {"HTTP_PROXY",    "HTTPS_PROXY",        "ALL_PROXY",        "NO_PROXY",
                                "http_proxy",    "https_proxy",        "all_proxy",        "no_proxy",
                                "SSL_CERT_FILE", "SSL_CERT_DIR",       "UV_DEFAULT_INDEX", "UV_INDEX",
                                "UV_INDEX_URL",  "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",    "UV_INDEX_STRATEGY",
                                "UV_OFFLINE",    "UV_HTTP_TIMEOUT"};
  std::map<std::string, std::string> found;
  for (auto name : names) {
    if (const char* value = std::getenv(name)) found[name] = value;
  }
  return found;
}

BuildPlan plan_build(const Lock& lock, const BuildOptions& options) {
  BuildPlan plan;
  plan.steps = Planner(lock, options).steps();
  Digest digest;
  digest.add_field(plan_version).add_field(lock_name(lock.kind)).add_field(lock.digest);
  digest.add_field(options.interpreter.path)
      .add_field(options.interpreter.version.text())
      .add_field(options.interpreter.platform);
  if (lock.depends_on_code) digest.add_field(options.code_digest);
  plan.digest = digest.hex();
  return plan;
}

BuildCounts count_packages(std::string_view output) {
  int installed = count_after(output, "Installed"), prepared = count_after(output, "Prepared");
  if (installed < 0) return {};
  return {installed, std::max(prepared, 0)};
}

}  // namespace app
