// poetry.lock, with the pyproject.toml before a line "====": what is converted is safe to write into requirements.txt.
#include "app/poetry_lock.h"

#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    constexpr std::string_view line = "\n====\n";
    auto at = record.find(line);
    auto project = at == record.npos ? std::string_view() : record.substr(0, at);
    auto lock = at == record.npos ? record : record.substr(at + line.size());
    auto requirements = app::convert_poetry_lock(lock, project);
    if (!requirements) return;
    for (const auto& requirement : *requirements)
      fuzz::require(app::check_requirement(requirement).has_value(), "every requirement was checked");
    (void)app::to_requirements_txt(*requirements);
  });
  return 0;
}
