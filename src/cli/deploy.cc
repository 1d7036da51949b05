// serai deploy: pack the folder, ask about what is questionable, upload, and show the deploy until it ends.
#include <iostream>
#include <map>

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

Result<int> deploy(const Context& context, const Options& options) {
  auto env = parse_assignments(options.env);
  if (!env) return std::unexpected(env.error());
  if (!options.environment.empty()) {  // before anything is packed
    if (auto kind = environment::parse_kind(options.environment); !kind) return std::unexpected(kind.error());
  }
  auto name = app_name(options.folder, options.name);
  if (!name) return std::unexpected(name.error());
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
      "Where it shall run: shared, dedicated or container (default: serai.toml, else where it runs, else shared)");
  command->add_option("--env", options->env, "KEY=VALUE, kept with the app and never printed (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
}

}  // namespace cli
