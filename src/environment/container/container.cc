#include "environment/container/container.h"

#include <unistd.h>

#include <atomic>
#include <set>
#include <sstream>

#include "base/child.h"
#include "base/file.h"
#include "environment/container/bundle.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using State = Fact::State;

constexpr std::chrono::days kFresh{30};  // of a base: Debian's point releases are months apart, security updates days

base::Error no_root() {
  return base::Error(base::Kind::unsupported, "start a container: the daemon does not run as root",
                     "run the daemon as root, or choose the shared environment");
}

// A name that no app can have, since those hold no underscore.
std::string trial_name() {
  static std::atomic<int> trials = 0;
  return fmt::format("doctor_container_{}_{}", ::getpid(), ++trials);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

Fact runtime_fact(const base::Result<OciRuntime>& runtime) {
  if (runtime)
    return {.name = "container runtime",
            .found = runtime->version + " starts containers (" + runtime->program + ")",
            .advice = {},
            .state = State::good};
  return {.name = "container runtime",
          .found = runtime.error().describe(),
          .advice = runtime.error().advice(),
          .state = State::missing};
}

Fact base_fact(Images& images) {
  Fact fact{.name = "container base", .found = {}, .advice = {}, .state = State::good};
  auto host = BaseRecipe::of_host();
  if (!host) {
    fact.found = host.error().describe();
    fact.advice = host.error().advice();
    fact.state = State::missing;
    return fact;
  }
  auto made = images.base_made_at();
  if (made) {
    auto age = std::chrono::duration_cast<std::chrono::days>(fs::file_time_type::clock::now() - *made);
    fact.found = fmt::format("Debian {}, made {} days ago", host->suite, age.count());
    if (age < kFresh) return fact;
    fact.state = State::degraded;
    fact.advice = "get its security updates: serai image refresh";
    return fact;
  }
  fact.found = fmt::format("Debian {}, is made by the first deploy, from this host's package sources", host->suite);
  if (auto possible = can_make_base(); !possible) {
    fact.found = possible.error().describe();
    fact.advice = possible.error().advice();
    fact.state = State::missing;
  }
  return fact;
}

// Containers start without it.
Fact registries_fact() {
  Fact fact{.name = "image registries", .found = {}, .advice = {}, .state = State::good};
  auto asked = base::run({.argv = {"skopeo", "--version"}}, std::chrono::seconds(10));
  if (asked && base::succeeded(asked->status)) {
    fact.found = asked->out.substr(0, asked->out.find('\n'));
    return fact;
  }
  fact.state = State::degraded;
  fact.found = "no skopeo: neither [environment] base nor `serai image push` works";
  fact.advice = "install it: apt-get install skopeo";
  return fact;
}

}  // namespace

ContainerEnvironment::ContainerEnvironment(Environment& shared, Images& images,
                                           std::shared_ptr<ContainerSurroundings> surroundings, Layout layout)
    : shared_(shared), images_(images), surroundings_(std::move(surroundings)), layout_(std::move(layout)) {
  images_.add_user([this] { return layers_in_use(); });
}

base::Result<void> ContainerEnvironment::check(const Demand& demand) {
  if (auto modest = shared_.check(demand); !modest) return modest;
  if (auto found = runtime(); !found) return std::unexpected(found.error());
  return images_.can_be_made();
}

base::Result<std::string> ContainerEnvironment::furnish(const std::string& app, Kind, const Parts& parts) {
  auto found = runtime();
  if (!found) return std::unexpected(found.error());
  auto made = joined(images_.missing(app, parts));
  auto layers = images_.system_layers(app, parts);
  if (!layers) return std::unexpected(layers.error());
  return fmt::format("{} layers, {}", layers->size(), made.empty() ? "cached" : "made: " + made);
}

base::Result<Instance> ContainerEnvironment::start(const InstanceSpec& spec, Launch& launch) {
  launch.begin("image");
  auto furnished = furnish(spec.app, spec.kind, spec.parts);
  if (!furnished) {
    launch.failed(furnished.error());
    return std::unexpected(furnished.error());
  }
  launch.done(*furnished);
  return shared_.start(spec, launch);
}

base::Result<RunResult> ContainerEnvironment::run_once(const RunSpec& spec) {
  if (spec.view != View::release) return shared_.run_once(spec);
  if (auto found = runtime(); !found) return std::unexpected(found.error());
  return shared_.run_once(spec);
}

base::Result<OciRuntime> ContainerEnvironment::runtime() {
  if (::geteuid() != 0) return std::unexpected(no_root());
  std::lock_guard lock(choosing_);
  auto known = remembered_runtime(runtime_file());  // as long as its program is the same: else they are tried again
  if (auto chosen = surroundings_->chosen(); known && chosen && known->program == chosen->program) return *known;
  std::string refusals;
  for (const auto& candidate : known ? std::vector<OciRuntime>{} : find_runtimes()) {
    auto works = try_out(candidate);
    if (works) {
      known = candidate;
      break;
    }
    refusals += (refusals.empty() ? "" : "; ") + candidate.version + ": " + works.error().describe();
  }
  if (!known) {
    return std::unexpected(
        base::Error(base::Kind::unsupported,
                    "start a container: " + (refusals.empty() ? "neither crun nor runc is installed" : refusals),
                    "install one: apt-get install crun (or runc)"));
  }
  surroundings_->choose(*known);
  if (auto kept = remember_runtime(runtime_file(), *known); !kept) return std::unexpected(kept.error());
  return *known;
}

// A whole one-off command in a container whose image is empty: the supervisor's program asks itself whether its rights
// are gone.
base::Result<void> ContainerEnvironment::try_out(const OciRuntime& runtime) {
  auto name = trial_name();
  auto code = layout_.app(name) / "code";
  RunSpec spec;
  spec.app = name;
  spec.kind = Kind::container;
  spec.parts.code = code;
  spec.argv = {instance::kInitInside, "confined"};
  spec.timeout = std::chrono::seconds(20);
  surroundings_->begin_trial(name, runtime);
  auto prepared = shared_.prepare(name);
  auto made = prepared ? base::make_folders(code) : base::Result<void>(std::unexpected(prepared.error()));
  auto ran = made ? shared_.run_once(spec) : base::Result<RunResult>(std::unexpected(made.error()));
  surroundings_->end_trial(name);
  (void)base::remove_tree(code);
  (void)shared_.forget(name);
  if (!ran) return std::unexpected(ran.error());
  if (base::succeeded(ran->status)) return {};
  return base::fail(base::Kind::unsupported, "a command in a container kept rights ({})", base::describe(ran->status));
}

std::set<std::string> ContainerEnvironment::layers_in_use() {
  std::set<std::string> in_use;
  for (const auto& id : shared_.instances().value_or(std::vector<std::string>{})) {
    std::istringstream names(base::read_file(BundlePlaces(layout_.own(id)).layers()).value_or(""));
    for (std::string name; names >> name;) in_use.insert(name);
  }
  return in_use;
}

Facts ContainerEnvironment::doctor() {
  auto found = runtime();
  if (found) {
    // What was remembered may have stopped working.
    if (auto works = try_out(*found); !works) found = std::unexpected(works.error());
  }
  return {runtime_fact(found), base_fact(images_), registries_fact()};
}

}  // namespace environment
