#include <algorithm>
#include <array>
#include <filesystem>

#include "app/digest.h"
#include "app/pack.h"
#include "base/fd.h"

namespace app {
namespace {

namespace fs = std::filesystem;

base::Result<std::string> digest_file(const fs::path& path) {
  auto fd = base::open(path.string(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  Digest digest;
  for (std::array<char, 1 << 16> buffer;;) {
    auto count = base::read_some(fd->get(), buffer);
    if (!count) return base::wrap(count.error(), "read " + path.string());
    if (!*count || **count == 0) return digest.hex();
    digest.add({buffer.data(), **count});
  }
}

base::Result<void> add_entry(Digest& digest, const fs::directory_entry& entry, const std::string& path) {
  std::error_code error;
  auto status = entry.symlink_status(error);
  if (fs::is_directory(status)) {
    digest.add_field("folder").add_field(path);
  } else if (fs::is_symlink(status)) {
    digest.add_field("link").add_field(path).add_field(fs::read_symlink(entry.path(), error).string());
  } else {
    auto content = digest_file(entry.path());
    if (!content) return std::unexpected(content.error());
    bool executable = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
    digest.add_field(executable ? "program" : "file").add_field(path).add_field(*content);
  }
  return {};
}

}  // namespace

base::Result<std::string> digest_folder(const std::string& folder) {
  std::error_code error;
  std::vector<std::pair<std::string, fs::directory_entry>> entries;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    entries.emplace_back(it->path().lexically_relative(folder).string(), *it);
  }
  if (error) return std::unexpected(base::Error::from_errno("read the folder " + folder, error.value()));
  std::ranges::sort(entries, {}, &std::pair<std::string, fs::directory_entry>::first);
  Digest digest;
  for (const auto& [path, entry] : entries) {
    if (auto added = add_entry(digest, entry, path); !added) return std::unexpected(added.error());
  }
  return digest.hex();
}

}  // namespace app
