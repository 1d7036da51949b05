// .gitignore: patterns up to a line "====", then paths, folders with a '/' at the end.
#include "app/ignore.h"

#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    constexpr std::string_view line = "\n====\n";
    auto at = record.find(line);
    if (at == record.npos) return;
    auto top = app::IgnoreFile::parse(record.substr(0, at), "", ".gitignore");
    auto nested = app::IgnoreFile::parse(record.substr(0, at), "sub", "sub/.gitignore");
    auto paths = record.substr(at + line.size());
    while (!paths.empty()) {
      auto path = fuzz::take_line(paths);
      bool is_folder = path.ends_with('/');
      if (is_folder) path.remove_suffix(1);
      auto verdict = top.judge(path, is_folder);
      (void)nested.judge(path, is_folder);
      if (verdict) fuzz::require(verdict->reason.starts_with(".gitignore:"), "a verdict names its line");
    }
  });
  return 0;
}
