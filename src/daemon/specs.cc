#include "daemon/specs.h"

#include <cstdlib>

#include "app/command_line.h"
#include "app/host_service.h"
#include "environment/shared/view.h"

namespace control_plane {
namespace {

// Builds get more than the app: a compiler needs memory that the app never will.
constexpr allocation::Limits kBuildLimits{.cpu = 2.0, .memory = 2ULL << 30, .processes = 512};
constexpr std::uint16_t kImagePort = 8000;
constexpr const char* kPassedToBuilds[] = {"HTTP_PROXY",   "HTTPS_PROXY",      "NO_PROXY",       "http_proxy",
                                           "https_proxy",  "no_proxy",         "SSL_CERT_FILE",  "UV_NATIVE_TLS",
                                           "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT"};

environment::Variables with(environment::Variables variables, const std::map<std::string, std::string>& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

std::string folder_in_app(const std::string& folder) { return folder.empty() ? "/app" : "/app/" + folder; }

base::Result<environment::ProcessSpec> command_process(const std::string& name, const std::string& command,
                                                       const environment::Variables& env) {
  auto line = app::CommandLine::parse(command);
  if (!line) return base::wrap(line.error(), "the command of " + name);
  auto lookup = app::lookup_in(env);
  environment::ProcessSpec process;
  process.name = name;
  process.argv = line->argv(lookup);
  for (const auto& [variable, value] : line->assignments(lookup)) process.env[variable] = value;
  process.cwd = folder_in_app(line->folder());
  return process;
}

environment::ProcessSpec engine_process(const app::WebProcess& web, const std::vector<std::string>& where) {
  environment::ProcessSpec process;
  process.name = "web";
  process.argv = {"/venv/bin/python", "-m", "serai"};
  process.argv.insert(process.argv.end(), where.begin(), where.end());
  for (const auto& argument : app::engine_arguments(web)) process.argv.push_back(argument);
  process.env = web.env;
  process.env["PYTHONPATH"] = "/serai/engine";
  process.cwd = folder_in_app(web.folder);
  return process;
}

// The platform's socket; and the edge, which writes the forwarding headers itself, is believed.
std::vector<std::string> handed_over() {
  return {"--bind", fmt::format("fd://{}", environment::kListenDescriptor), "--forwarded-allow", "unix"};
}

base::Result<environment::ProcessSpec> own_server_process(const app::WebProcess& web, const environment::Variables& env,
                                                          const char* host, std::uint16_t port) {
  auto variables = with(env, web.env);
  variables["HOST"] = host;
  variables["PORT"] = std::to_string(port);
  auto process = command_process("web", web.command, variables);
  if (!process) return process;
  process->env = with(web.env, process->env);
  if (!web.folder.empty() && process->cwd == "/app") process->cwd = folder_in_app(web.folder);
  return process;
}

base::Result<environment::ProcessSpec> web_process(const app::WebProcess& web, const environment::Variables& env,
                                                   std::uint16_t port) {
  if (web.kind == app::WebProcess::Kind::engine) return engine_process(web, handed_over());
  return own_server_process(web, env, "127.0.0.1", port);
}

}  // namespace

environment::Parts parts_of(const Runnable& runnable, const Tools& tools) {
  environment::Parts parts;
  parts.code = runnable.code;
  parts.venv = runnable.venv;
  parts.engine = tools.engine(runnable.details.interpreter.cache_tag);
  const auto& interpreter = runnable.details.interpreter;
  if (!interpreter.prefix.empty() && interpreter.prefix != "/usr") parts.interpreters = {interpreter.prefix};
  parts.base = runnable.details.config.base;
  parts.built_with = {.program = interpreter.path, .version = interpreter.version.text(), .glibc = interpreter.glibc()};
  return parts;
}

environment::Variables variables_of(const Runnable& runnable) {
  environment::Variables variables{{"PYTHONUNBUFFERED", "1"}, {"PYTHONFAULTHANDLER", "1"}, {"SERAI_APP", runnable.app}};
  return with(with(std::move(variables), runnable.details.config.env), runnable.values);
}

allocation::Limits limits_of(const app::Config& config) {
  allocation::Limits limits;
  if (config.limits.cpu) limits.cpu = *config.limits.cpu;
  if (config.limits.memory) limits.memory = *config.limits.memory;
  limits.nice = static_cast<int>(config.limits.nice.value_or(0));
  limits.io_weight = static_cast<std::uint32_t>(config.limits.io_weight.value_or(0));
  return limits;
}

std::string image_name(const std::string& app, int release) { return fmt::format("{}:r{}", app, release); }

base::Result<image::Config> image_config(const Runnable& runnable, const Tools& tools) {
  const auto& web = runnable.details.config.web;
  auto plain = runnable;
  plain.values.clear();  // secrets do not travel
  auto env = environment::base_environment(parts_of(plain, tools), variables_of(plain));
  if (web.kind == app::WebProcess::Kind::none)
    return base::fail(base::Kind::unsupported, "{} has no web process that an image could start", runnable.app);
  auto process = web.kind == app::WebProcess::Kind::engine
                     ? engine_process(web, {"--bind", fmt::format("0.0.0.0:{}", kImagePort)})
                     : own_server_process(web, env, "0.0.0.0", kImagePort);
  if (!process) return std::unexpected(process.error());
  env = with(std::move(env), process->env);
  if (web.kind == app::WebProcess::Kind::own) env["HOST"] = "0.0.0.0", env["PORT"] = std::to_string(kImagePort);
  return image::Config{.command = process->argv,
                       .env = env,
                       .folder = process->cwd,
                       .port = kImagePort,
                       .labels = {{"org.opencontainers.image.title", runnable.app}}};
}

environment::NetworkSpec network_of(const app::Config& config) {
  environment::NetworkSpec network;
  if (config.network == "host") network.kind = environment::NetworkKind::host;
  for (const auto& text : config.services)
    if (auto service = app::parse_service(text)) network.services.push_back({service->host, service->port});
  return network;
}

environment::Listen listen_of(const app::WebProcess& web) {
  switch (web.kind) {
    case app::WebProcess::Kind::engine:
      return environment::Listen::unix_socket;
    case app::WebProcess::Kind::own:
      return environment::Listen::tcp;
    case app::WebProcess::Kind::none:
      break;
  }
  return environment::Listen::nothing;
}

base::Result<environment::InstanceSpec> instance_spec(const Runnable& runnable, const Tools& tools,
                                                      const std::string& id, std::uint16_t port) {
  const auto& config = runnable.details.config;
  environment::InstanceSpec spec;
  spec.app = runnable.app;
  spec.id = id;
  spec.kind = runnable.kind;
  spec.parts = parts_of(runnable, tools);
  spec.data_folders = config.data_folders;
  spec.data_files = config.data_files;
  spec.env = variables_of(runnable);
  spec.listen = listen_of(config.web);
  spec.port = port;
  spec.network = network_of(config);
  spec.limits = limits_of(config);
  spec.graceful_timeout = config.web.graceful_timeout;
  if (config.web.kind != app::WebProcess::Kind::none) {
    auto web = web_process(config.web, spec.env, port);
    if (!web) return std::unexpected(web.error());
    web->is_web = true;
    spec.processes.push_back(std::move(*web));
  }
  for (const auto& background : config.processes) {
    auto process = command_process(background.name, background.command, spec.env);
    if (!process) return std::unexpected(process.error());
    spec.processes.push_back(std::move(*process));
  }
  return spec;
}

environment::RunSpec run_spec(const Runnable& runnable, const Tools& tools, environment::View view,
                              std::vector<std::string> argv) {
  const auto& config = runnable.details.config;
  environment::RunSpec spec;
  spec.app = runnable.app;
  spec.kind = runnable.kind;
  spec.parts = parts_of(runnable, tools);
  spec.view = view;
  spec.data_folders = config.data_folders;
  spec.data_files = config.data_files;
  spec.env = variables_of(runnable);
  spec.argv = std::move(argv);
  spec.network = network_of(config);
  spec.limits = limits_of(config);
  return spec;
}

base::Result<environment::RunSpec> phase_spec(const Runnable& runnable, const Tools& tools, environment::View view,
                                              const app::Phase& phase) {
  auto process = command_process(phase.text, phase.command, variables_of(runnable));
  if (!process) return std::unexpected(process.error());
  auto spec = run_spec(runnable, tools, view, std::move(process->argv));
  spec.env = with(std::move(spec.env), process->env);
  spec.cwd = process->cwd == "/app" ? folder_in_app(phase.folder) : process->cwd;
  return spec;
}

environment::RunSpec build_step_spec(const Runnable& runnable, const Tools& tools, const app::BuildStep& step) {
  auto spec = run_spec(runnable, tools, environment::View::install, step.argv);
  spec.parts.tools = tools.uv_folder();
  // Neither the app's variables nor its secrets: other people's build scripts run here.
  spec.env = step.env;
  for (const char* name : kPassedToBuilds) {
    if (const char* value = std::getenv(name)) spec.env.try_emplace(name, value);
  }
  spec.cwd = step.cwd;
  spec.limits = kBuildLimits;
  spec.timeout = step.timeout;
  return spec;
}

}  // namespace control_plane
