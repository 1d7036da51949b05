// serai detect: what Serai finds in a folder, with the evidence and how to override it. With a daemon the app's
// dependencies are built and the app object is asked; without one only the files are read.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/detect.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/upload.h"

namespace cli {
namespace {

struct Options {
  std::string folder = ".";
  bool files_only = false;
};

void show(const json& findings) {
  Table table({"what", "found", "evidence", "to override"});
  for (const auto& finding : findings) {
    auto level = finding.value("level", "");
    auto what = finding.value("what", "") + (level.empty() || level == "found" ? "" : " (" + level + ")");
    table.add({what, finding.value("value", ""), finding.value("evidence", ""), finding.value("override", "")});
  }
  table.print(std::cout);
}

Result<json> detect_files(const std::string& folder, const std::string& name) {
  auto opened = app::Folder::open(folder);
  if (!opened) return std::unexpected(opened.error());
  auto detection = app::detect(*opened, {.fallback_name = name, .env = {}});
  if (!detection) return std::unexpected(detection.error());
  return app::to_json(*detection);
}

// The daemon's detection, from the events of a deploy that ends after it.
Result<json> detect_in_sandbox(const Context& context, const std::string& folder, const std::string& name) {
  auto upload = pack_and_upload(context, folder);
  if (!upload) return std::unexpected(upload.error());
  auto id = context.client().deploy({.upload = *upload, .app = name, .env = {}, .only_detect = true});
  if (!id) return std::unexpected(id.error());
  json detection;
  base::Error failure(base::Kind::disconnected, "the daemon ended without a result");
  auto watched = context.client().watch_deploy(*id, [&](const json& event) {
    if (event.value("event", "") == "detected") detection = event["detection"];
    if (event.value("event", "") == "failed") {
      failure = base::Error(base::Kind::conflict, event.value("found", ""), event.value("advice", ""));
      failure.add_context(event.value("step", ""));
    }
    return true;
  });
  if (!watched) return std::unexpected(watched.error());
  if (detection.is_null()) return std::unexpected(failure);
  return detection;
}

Result<int> detect(const Context& context, const Options& options) {
  auto name = app_name(options.folder, "");
  if (!name) return std::unexpected(name.error());
  bool alone = options.files_only || !context.client().version();
  auto detection = alone ? detect_files(options.folder, *name) : detect_in_sandbox(context, options.folder, *name);
  if (alone && !options.files_only && !context.json_output) {
    std::cerr << "  no daemon answers: only files were read, the app object was not asked\n";
  }
  return print(context, detection, [](const json& value) { show(value.value("findings", json::array())); });
}

}  // namespace

void add_detect(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "detect", "Explain how a folder would be run, and why",
                              "serai detect ./mysite", options, detect);
  command->add_option("folder", options->folder, "The app's folder")->capture_default_str();
  command->add_flag("--files-only", options->files_only, "Read files only; do not build and ask the app object");
}

}  // namespace cli
