// serai.toml: what is taken can be listed and stays inside the app; what is refused names the file.
#include "app/manifest.h"

#include "app/schema.h"
#include "support.h"

namespace {

void look(app::Manifest& manifest) {
  for (const auto& value : manifest.effective()) {
    fuzz::require(app::find_setting(value.path) != nullptr, "every value has its setting");
  }
  for (const auto& [name, variable] : manifest.variables()) fuzz::require(!name.empty(), "variables have names");
  for (const auto& [prefix, folder] : manifest.table("web.static")) {
    fuzz::require(prefix.starts_with('/') && !folder.starts_with('/'), "static folders are inside the app");
  }
  (void)manifest.integer("web.workers");
  (void)manifest.number("allocation.cpu");
  (void)manifest.size("allocation.memory");
  (void)manifest.duration("web.request_timeout");
  (void)manifest.list("phases.release");
  (void)manifest.text("name");
  manifest.set_detected("web.workers", std::int64_t{2}, "Procfile:1");
  manifest.set_detected("web.workers", std::int64_t{3}, "Procfile:1");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    auto manifest = app::Manifest::parse(record);
    if (!manifest) {
      fuzz::require(manifest.error().message().starts_with("serai.toml:"), "an error names the file");
      return;
    }
    look(*manifest);
    for (std::string_view value : {"4", "0", "x"}) (void)manifest->apply_environment("WEB_CONCURRENCY", value);
    (void)manifest->apply_environment("HOME", "/");
    look(*manifest);
  });
  return 0;
}
