// serai deploy: pack the folder, ask about what is questionable, upload, and show the deploy until it ends.
#include <iostream>
#include <map>

#include "app/manifest.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/deploy_view.h"
#include "cli/upload.h"
#include "environment/kind.h"

namespace cli {
namespace {

struct Options {
  std::string folder = ".";
  std::string name;
  std::string environment;
  std::vector<std::string> env;
};

// What --environment says, else serai.toml; else empty.
std::string wished_kind(const Options& options) {
  if (!options.environment.empty()) return options.environment;
  auto toml = base::read_file(std::filesystem::path(options.folder) / "serai.toml", 1 << 20);
  auto manifest = toml ? app::Manifest::parse(*toml) : base::Result<app::Manifest>(std::unexpected(toml.error()));
  return manifest ? manifest->text("environment.kind").value_or("") : "";
}

// Before anything is packed and uploaded.
Result<void> check_kind(const Context& context, const Options& options, const std::string& name) {
  auto kind = wished_kind(options);
  if (kind.empty()) return {};
  auto possible = context.client().check_environment(kind, name);
  if (!possible) return std::unexpected(possible.error());
  return {};
}

Result<int> deploy(const Context& context, const Options& options) {
  auto env = parse_assignments(options.env);
  if (!env) return std::unexpected(env.error());
  if (!options.environment.empty()) {  // before anything is packed
    if (auto kind = environment::parse_kind(options.environment); !kind) return std::unexpected(kind.error());
  }
  auto name = app_name(options.folder, options.name);
  if (!name) return std::unexpected(name.error());
  if (auto possible = check_kind(context, options, *name); !possible)
    return base::wrap(possible.error(), "deploy " + *name);
  auto upload = pack_and_upload(context, options.folder);
  if (!upload) return base::wrap(upload.error(), "deploy " + *name);
  auto id = context.client().deploy({.upload = *upload, .app = *name, .env = *env, .environment = options.environment});
  if (!id) return base::wrap(id.error(), "deploy " + *name);
  return follow_deploy(context, id);
}

}  // namespace

void add_deploy(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "deploy", "Build a folder and make it the app's new release",
                              "serai deploy ./mysite --env SECRET_KEY=…", options, deploy);
  command->add_option("folder", options->folder, "The app's folder")->capture_default_str();
  command->add_option("--name", options->name, "The app's name (default: serai.toml, else the folder's name)");
  command->add_option(
      "--environment", options->environment,
      "Where it shall run: shared, dedicated, container or vm (default: serai.toml, else where it runs, else shared)");
  command->add_option("--env", options->env, "KEY=VALUE, kept with the app and never printed (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
}

}  // namespace cli
