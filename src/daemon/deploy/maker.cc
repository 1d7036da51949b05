#include "daemon/deploy/maker.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "app/release.h"
#include "base/file.h"
#include "daemon/deploy/memory_file.h"
#include "daemon/deploy/upload_reader.h"
#include "environment/container/images.h"
#include "instance/log_file.h"

namespace control_plane {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kPhaseLimit{20};

const app::Finding* find_finding(const app::Detection& detection, std::string_view what) {
  for (const auto& finding : detection.findings)
    if (finding.what == what && finding.level == app::Finding::Level::found) return &finding;
  return nullptr;
}

std::string in_parentheses(const std::string& text) { return text.empty() ? text : "(" + text + ")"; }

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + (item.empty() ? "/" : item);
  return text;
}

std::string upper_case(std::string_view interface) {
  std::string text(interface);
  for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// As people tell images apart: with twelve digits of the digest.
std::string short_reference(const std::string& reference) {
  constexpr std::string_view kDigest = "@sha256:";
  auto at = reference.find(kDigest);
  return at == std::string::npos ? reference : reference.substr(0, at + kDigest.size() + 12);
}

base::Error out_of_memory(const std::string& what, const allocation::Limits& limits) {
  return base::Error(base::Kind::overloaded, fmt::format("{} ran out of memory ({} MiB)", what, limits.memory >> 20),
                     "allow more: [allocation] memory in serai.toml");
}

}  // namespace

std::string describe_web(const std::string& framework, const app::WebProcess& web) {
  switch (web.kind) {
    case app::WebProcess::Kind::none:
      return "background processes only";
    case app::WebProcess::Kind::own:
      return (framework.empty() ? "" : framework + " · ") + web.command;
    case app::WebProcess::Kind::engine:
      break;
  }
  auto text = framework;
  if (web.interface != app::Interface::automatic) {
    auto interface = upper_case(app::interface_name(web.interface));
    if (framework != interface) text += (text.empty() ? "" : " · ") + interface;
  }
  return text + (text.empty() ? "" : " · ") + web.app;
}

Result<void> Maker::detect() {
  for (auto step : {&Maker::find_values, &Maker::read_upload, &Maker::choose_kind, &Maker::choose_python, &Maker::build,
                    &Maker::furnish, &Maker::ask_the_app}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return {};
}

Result<void> Maker::release() {
  for (auto step : {&Maker::fill_in_secrets, &Maker::check_routes, &Maker::keep_values, &Maker::prepare_code,
                    &Maker::add_release, &Maker::run_release_phase}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return {};
}

Result<std::optional<Release>> Maker::live_release() {
  auto placement = services_.store.find_placement(journal_.record().app);
  if (!placement) return std::unexpected(placement.error());
  if (!*placement) return std::nullopt;
  return services_.store.find_release((*placement)->app, (*placement)->release);
}

Result<void> Maker::find_values() {
  auto live = live_release();
  if (!live) return std::unexpected(live.error());
  env_version_ = *live ? (*live)->env_version : 0;
  auto values = read_env_file(services_.paths.env(journal_.record().app), env_version_);
  if (!values) return std::unexpected(values.error());
  values_ = std::move(*values);
  for (const auto& [name, value] : request_.env) {
    auto [place, added] = values_.try_emplace(name, value);
    values_changed_ |= added || place->second != value;
    place->second = value;
  }
  journal_.keep_secrets(values_);
  return {};
}

Result<void> Maker::read_upload() {
  if (auto begun = journal_.begin("detect"); !begun) return begun;
  const auto& app = journal_.record().app;
  auto identity = services_.environment.prepare(app);
  if (!identity) return std::unexpected(identity.error());
  auto archive = services_.paths.upload(journal_.record().upload) / "archive";
  auto report = control_plane::read_upload(archive, upload_code(), *identity, {.fallback_name = app, .env = values_});
  if (!report) return std::unexpected(report.error());
  runnable_.app = app;
  runnable_.code = upload_code();
  runnable_.details.code_digest = report->unpacked.digest;
  detection_ = std::move(report->detection);
  journal_.keep_lock(detection_->lock.file);
  tell_detection();
  for (const auto& finding : detection_->findings) {
    if (finding.level != app::Finding::Level::found) {
      journal_.note(fmt::format("{}: {} {}", finding.what, finding.value, in_parentheses(finding.evidence)));
    }
  }
  return {};
}

void Maker::tell_detection() {
  auto text = describe_web(detection_->framework, detection_->config.web);
  const auto* web = find_finding(*detection_, "web");
  auto evidence = web ? web->evidence : "";
  if (const auto& candidates = detection_->candidates; detection_->config.web.app.empty() && !candidates.empty()) {
    text += (text.empty() ? "" : " · ") + candidates[0].target;
    if (candidates.size() > 1) text += fmt::format(" or {} other places", candidates.size() - 1);
    evidence = candidates[0].evidence;
  }
  journal_.done(text, in_parentheses(evidence));
}

// What is asked for with the deploy, then serai.toml, then where the app runs now, then shared. What this host cannot
// do is refused before anything is built; a look at the folder (`serai detect`) is not.
Result<void> Maker::choose_kind() {
  auto& record = journal_.record();
  auto placement = services_.store.find_placement(record.app);
  if (!placement) return std::unexpected(placement.error());
  auto now = *placement ? std::optional((*placement)->kind) : std::nullopt;
  auto said = environment::find_kind(detection_->config.kind);
  auto kind = request_.kind ? *request_.kind : said.value_or(now.value_or(environment::Kind::shared));
  record.target = kind;
  // A look at the folder needs nothing that this kind needs.
  runnable_.kind = request_.only_detect ? environment::Kind::shared : kind;
  if (request_.only_detect) return {};
  if (said && now && kind == *said && kind != *now)
    journal_.note(fmt::format("serai.toml says {}: the app moves there from {}", to_string(kind), to_string(*now)));
  bool stands_on_image = kind == environment::Kind::container || kind == environment::Kind::vm;
  if (!detection_->config.base.empty() && !stands_on_image)
    journal_.note(fmt::format("base: not used in the {} environment, which has the host's system", to_string(kind)));
  return services_.environment.check({record.app, kind, limits_of(detection_->config)});
}

Result<void> Maker::choose_python() {
  if (auto begun = journal_.begin("python"); !begun) return begun;
  auto chosen =
      app::choose_interpreter(services_.tools.interpreters(), detection_->python, services_.tools.engine_tags());
  const auto* finding = find_finding(*detection_, "python");
  if (!chosen) return finding ? base::wrap(chosen.error(), finding->evidence) : std::unexpected(chosen.error());
  runnable_.details.interpreter = std::move(*chosen);
  journal_.done(runnable_.details.interpreter.version.text(), in_parentheses(finding ? finding->evidence : ""));
  return {};
}

Result<void> Maker::build() {
  if (auto begun = journal_.begin("build"); !begun) return begun;
  app::BuildOptions options;
  options.interpreter = runnable_.details.interpreter;
  options.cache = "/cache/uv";
  options.code_digest = runnable_.details.code_digest;
  auto plan = app::plan_build(detection_->lock, options);
  build_digest_ = plan.digest;
  // Per app: a build runs code of the app's choosing, and what it leaves must not reach another app.
  auto name = fmt::format("{}-{}", runnable_.app, plan.digest.substr(0, 20));
  auto folder = services_.paths.build(name);
  runnable_.venv = folder / "venv";
  auto lock = detection_->lock.file.empty() ? "no dependencies" : detection_->lock.file;
  if (fs::exists(folder)) {
    journal_.done(fmt::format("{} unchanged", lock), "cached");
    return {};
  }
  return run_build(plan, folder);
}

// Built aside and renamed, so that a folder of that name is always whole.
Result<void> Maker::run_build(const app::BuildPlan& plan, const fs::path& folder) {
  auto partial = fs::path(folder.string() + ".partial");
  if (auto removed = services_.trash.take(partial); !removed) return removed;
  auto identity = services_.environment.prepare(runnable_.app);
  if (!identity) return std::unexpected(identity.error());
  if (auto made = base::make_folders(partial / "venv"); !made) return made;
  if (auto owned = base::change_owner(partial / "venv", identity->uid, identity->gid); !owned) return owned;
  auto building = runnable_;
  building.venv = partial / "venv";
  std::string printed;
  for (const auto& step : plan.steps) {
    auto spec = build_step_spec(building, services_.tools, step);
    auto input = memory_file(step.input);
    if (!input) return std::unexpected(input.error());
    if (!step.input.empty()) spec.stdin_fd = input->get();
    auto result = run(std::move(spec), app::Stage::build, step.name);
    if (!result) return std::unexpected(result.error());
    printed += result->err + result->out;
  }
  std::error_code error;
  fs::rename(partial, folder, error);
  if (error) return std::unexpected(base::Error::from_errno("put the build in place", error.value()));
  auto counts = app::count_packages(printed);
  auto what = detection_->lock.file.empty() ? "an environment without dependencies"
              : counts.packages < 0         ? "packages from " + detection_->lock.file
                                    : fmt::format("{} packages from {}", counts.packages, detection_->lock.file);
  auto cached = counts.downloaded < 0 || counts.packages < 0
                    ? ""
                    : fmt::format(", {} cached", counts.packages - counts.downloaded);
  journal_.done(what, duration_text(journal_.since_begin()) + cached);
  return {};
}

// What the kind of environment wants besides the build: a container's image, a virtual machine's disks.
Result<void> Maker::furnish() {
  if (runnable_.kind != environment::Kind::container && runnable_.kind != environment::Kind::vm) return {};
  if (auto begun = journal_.begin("image"); !begun) return begun;
  if (auto pinned = pin_base(); !pinned) return pinned;
  auto furnished = services_.environment.furnish(runnable_.app, runnable_.kind, parts_of(runnable_, services_.tools));
  if (!furnished) return std::unexpected(furnished.error());
  auto base = short_reference(runnable_.details.config.base);
  journal_.done(*furnished + (base.empty() ? "" : " on " + base), duration_text(journal_.since_begin()));
  return {};
}

// The release remembers which image its tag meant.
Result<void> Maker::pin_base() {
  auto& base = detection_->config.base;
  if (base.empty()) return {};
  auto pinned = services_.images->pin(base);
  if (!pinned) return std::unexpected(pinned.error());
  base = *pinned;
  runnable_.details.config.base = base;
  return {};
}

Result<void> Maker::ask_the_app() {
  // Generated values are made before the app is imported: settings modules read them.
  for (const auto& [name, variable] : detection_->config.secrets) {
    if (values_.contains(name) || variable.kind != app::Variable::Kind::generate) continue;
    auto secret = generate_secret(variable.length);
    if (!secret) return std::unexpected(secret.error());
    values_[name] = *secret;
    values_changed_ = true;
  }
  journal_.keep_secrets(values_);
  runnable_.details.config = detection_->config;
  runnable_.values = values_;
  if (detection_->candidates.empty()) return {};
  if (auto begun = journal_.begin("import"); !begun) return begun;
  auto spec = run_spec(runnable_, services_.tools, environment::View::release, app::probe_command(*detection_));
  spec.env["PYTHONPATH"] = "/serai/engine";
  spec.timeout = std::chrono::minutes(2);
  auto result = services_.environment.run_once(spec);
  if (!result) return std::unexpected(result.error());
  journal_.keep_output(app::Stage::detect, result->err + app::without_answer(result->out));
  if (result->out_of_memory) return std::unexpected(out_of_memory("importing the app", spec.limits));
  if (auto applied = app::apply_probe(*detection_, result->out); !applied) return applied;
  runnable_.details.config = detection_->config;
  journal_.done(describe_web(detection_->framework, detection_->config.web), duration_text(journal_.since_begin()));
  return {};
}

Result<void> Maker::fill_in_secrets() {
  std::vector<std::string> missing;
  for (const auto& [name, variable] : detection_->config.secrets) {
    if (variable.kind == app::Variable::Kind::required && !values_.contains(name)) missing.push_back(name);
  }
  if (missing.empty()) return {};
  return std::unexpected(base::Error(base::Kind::invalid,
                                     fmt::format("{} is required and has no value", joined(missing)),
                                     fmt::format("deploy with --env {}=…", missing[0])));
}

Result<void> Maker::check_routes() { return services_.routes.check(runnable_.app, detection_->config); }

// Before the release is named, since its digest holds the number of the env set. One without a release is collected.
Result<void> Maker::keep_values() {
  if (!values_changed_) return {};
  const auto& app = journal_.record().app;
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) names.push_back(name);
  auto version = services_.store.add_env_set(app, names);
  if (!version) return std::unexpected(version.error());
  env_version_ = *version;
  return write_env_file(services_.paths.env(app), env_version_, values_);
}

// The release's folder is named by its digest; it is prepared aside and renamed, so it is always whole.
Result<void> Maker::prepare_code() {
  auto& details = runnable_.details;
  details.config = detection_->config;
  details.framework = detection_->framework;
  details.settings = detection_->settings;
  app::ReleaseInputs inputs{.code_digest = details.code_digest,
                            .build_digest = build_digest_,
                            .python = details.interpreter.version.text(),
                            .config = details.config,
                            .secret_names = {},
                            .secret_revision = static_cast<std::uint64_t>(env_version_)};
  for (const auto& [name, value] : values_) inputs.secret_names.push_back(name);
  release_digest_ = app::release_id(inputs);
  auto folder = services_.paths.release(runnable_.app, release_digest_.substr(0, 16));
  if (fs::exists(folder)) {
    runnable_.code = folder / "code";
    return {};
  }
  auto partial = fs::path(folder.string() + ".partial");
  if (auto removed = services_.trash.take(partial); !removed) return removed;
  if (auto made = base::make_folders(partial); !made) return made;
  std::error_code error;
  fs::rename(upload_code(), partial / "code", error);
  if (error) return std::unexpected(base::Error::from_errno("move the upload to its release", error.value()));
  runnable_.code = partial / "code";
  if (!details.config.build_phases.empty()) {
    if (auto begun = journal_.begin("prepare"); !begun) return begun;
    auto before = files_in_data_folders();
    auto ran = run_phases(details.config.build_phases, environment::View::build, app::Stage::build_phase);
    if (ran) ran = remove_made_data(before);
    if (!ran) return ran;
  }
  fs::rename(partial, folder, error);
  if (error) return std::unexpected(base::Error::from_errno("put the release in place", error.value()));
  runnable_.code = folder / "code";
  return {};
}

std::set<std::string> Maker::files_in_data_folders() {
  std::set<std::string> files;
  auto code = app::Folder::open(runnable_.code.string());
  if (!code) return files;
  for (const auto& folder : runnable_.details.config.data_folders) {
    if (folder.empty()) continue;
    for (const auto& entry : code->list(folder)) files.insert(folder + "/" + entry.name);
  }
  return files;
}

// What a build phase wrote into a data folder (a settings module that makes its key, for example) is no part of the
// release: it would lie over the kept file of that name. Removed as the app's user, whose tree it is.
Result<void> Maker::remove_made_data(const std::set<std::string>& before) {
  std::vector<std::string> argv = {"rm", "-rf", "--"};
  for (const auto& file : files_in_data_folders())
    if (!before.contains(file)) argv.push_back(file);
  if (argv.size() == 3) return {};
  auto removed = run(run_spec(runnable_, services_.tools, environment::View::build, argv), app::Stage::build_phase,
                     "clean the data folders");
  if (!removed) return std::unexpected(removed.error());
  return {};
}

Result<void> Maker::add_release() {
  if (auto begun = journal_.begin("release"); !begun) return begun;
  auto& record = journal_.record();
  auto number = services_.store.next_release_number(record.app);
  if (!number) return std::unexpected(number.error());
  record.release = *number;
  if (auto saved = journal_.save(); !saved) return saved;
  Release release{.app = record.app,
                  .number = *number,
                  .digest = release_digest_,
                  .folder = release_digest_.substr(0, 16),
                  .build = runnable_.venv.parent_path().filename().string(),
                  .config = runnable_.details.to_text(),
                  .env_version = env_version_,
                  .created_at = now()};
  if (auto added = services_.store.add_release(release); !added) return added;
  journal_.done(fmt::format("r{}  {}", *number, app::short_id(release_digest_)), "code + lock + config + python");
  return {};
}

Result<void> Maker::run_release_phase() {
  const auto& phases = runnable_.details.config.release_phases;
  if (phases.empty()) return {};
  if (auto begun = journal_.begin("phase"); !begun) return begun;
  return run_phases(phases, environment::View::release, app::Stage::release_phase);
}

Result<void> Maker::run_phases(const std::vector<app::Phase>& phases, environment::View view, app::Stage stage) {
  for (const auto& phase : phases) {
    auto spec = phase_spec(runnable_, services_.tools, view, phase);
    if (!spec) return std::unexpected(spec.error());
    spec->timeout = kPhaseLimit;
    auto began = std::chrono::steady_clock::now();
    auto result = run(std::move(*spec), stage, phase.text);
    if (!result) return std::unexpected(result.error());
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    journal_.output(result->out + result->err);
    journal_.done(phase.text, duration_text(took));
    tell_adoption(result->adopted, result->made_data);
  }
  return {};
}

Result<environment::RunResult> Maker::run(environment::RunSpec spec, app::Stage stage, const std::string& what) {
  auto result = services_.environment.run_once(spec);
  if (!result) return base::wrap(result.error(), what);
  journal_.keep_output(stage, result->out + result->err);
  keep_log(stage, what, *result);
  if (result->timed_out)
    return base::fail(base::Kind::unavailable, "{} did not end within {} s", what, spec.timeout.count() / 1000);
  if (result->out_of_memory) return std::unexpected(out_of_memory(what, spec.limits));
  if (!base::succeeded(result->status))
    return base::fail(base::Kind::conflict, "{} ended with {}", what, base::describe(result->status));
  return result;
}

// Beside the processes' logs: `serai logs APP --process build` and `--process release`.
void Maker::keep_log(app::Stage stage, const std::string& what, const environment::RunResult& result) {
  auto folder = base::open(services_.paths.logs(runnable_.app).string(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return;  // a log that cannot be written must not end a deploy
  auto log = instance::LogFile::open(*folder, stage == app::Stage::release_phase ? "release" : "build");
  if (!log) return;
  log->write("serai", fmt::format("{}: {}", what, base::describe(result.status)));
  for (auto [stream, output] : {std::pair("out", &result.out), std::pair("err", &result.err)}) {
    std::istringstream lines(journal_.without_secrets(*output));
    for (std::string line; std::getline(lines, line);) log->write(stream, line);
  }
}

void Maker::tell_adoption(const environment::Adoption& adoption, const std::vector<std::string>& made_data) {
  if (!made_data.empty()) journal_.note("now data, later releases do not overwrite it: " + joined(made_data));
  if (!adoption.folders.empty()) journal_.note("kept from now on: " + joined(adoption.folders));
  if (!adoption.discarded.empty())
    journal_.note("changes to release files were not kept: " + joined(adoption.discarded));
  if (!adoption.conflicts.empty()) journal_.note("kept beside a newer file: " + joined(adoption.conflicts));
}

}  // namespace control_plane
