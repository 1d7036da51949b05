// Pipfile.lock: what is converted is safe to write into requirements.txt.
#include "app/pipfile_lock.h"

#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    auto requirements = app::convert_pipfile_lock(record);
    if (!requirements) return;
    for (const auto& requirement : *requirements)
      fuzz::require(app::check_requirement(requirement).has_value(), "every requirement was checked");
    (void)app::to_requirements_txt(*requirements);
  });
  return 0;
}
