#include "base/library.h"

#include "base/file.h"

namespace base {

Result<std::filesystem::path> library_folder() {
  auto here = executable_folder();
  for (const auto& folder : {here / "lib/serai", here.parent_path() / "lib/serai"}) {
    if (std::filesystem::is_directory(folder)) return folder;
  }
  return std::unexpected(Error(Kind::not_found,
                               fmt::format("there is no lib/serai beside {} or its parent folder", here.string()),
                               "install Serai whole: `make install`, or build every target"));
}

}  // namespace base
