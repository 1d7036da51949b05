// What the unprivileged child tells of an upload: what the daemon takes is no more than a folder could say, and stays
// as it is when it is told again.
#include "app/upload_report.h"

#include <algorithm>

#include "support.h"

namespace {

void look(const app::Config& config) {
  for (const auto& process : config.processes)
    fuzz::require(process.name.find_first_of("./") == std::string::npos, "a process name can name a log file");
  for (const auto& folder : config.data_folders)
    fuzz::require(fuzz::is_inside(folder), "data folders are inside the app");
  for (const auto& file : config.data_files) fuzz::require(fuzz::is_inside(file), "data files are inside the app");
  for (const auto& [prefix, folder] : config.static_files) {
    fuzz::require(prefix.starts_with('/') && !folder.starts_with('/'), "static folders are inside the app");
  }
  fuzz::require(fuzz::is_inside(config.web.folder), "the web process starts inside the app");
  for (const auto& argument : app::engine_arguments(config.web))
    fuzz::require(!argument.contains('\0'), "arguments end where they seem to");
  fuzz::require(app::interface_of(app::interface_name(config.web.interface)) == config.web.interface,
                "an interface's name is its own");
}

// As the probe does once it has asked the app: what the user decided stays.
void detect_more(app::Settings& settings) {
  for (std::string path : {"web.app", "web.static./m"}) {
    auto before = std::ranges::find(settings, path, &app::Effective::path);
    bool is_decided =
        before != settings.end() && before->origin != app::Origin::standard && before->origin != app::Origin::detected;
    std::string wanted = is_decided ? before->value : "found";
    app::set_detected(settings, path, "found", "fuzz");
    fuzz::require(std::ranges::find(settings, path, &app::Effective::path)->value == wanted, "decisions stay");
    fuzz::require(app::is_decided(settings, path), "what was found counts");
  }
  (void)app::is_decided(settings, "routes.hosts");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    auto interface = app::interface_of(record);  // the probe's word for it
    fuzz::require(!interface || app::interface_name(*interface) == record, "an interface has one name");
    auto report = app::parse_upload_report(record);
    if (!report) {
      auto again = app::parse_upload_report(app::to_text(report));
      fuzz::require(!again && !again.error().describe().empty(), "an error stays one");
      return;
    }
    look(report->detection.config);
    auto text = app::to_text(report);
    auto again = app::parse_upload_report(text);
    fuzz::require(again && app::to_text(again) == text, "a report stays as it is");
    detect_more(again->detection.settings);
  });
  return 0;
}
