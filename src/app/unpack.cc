#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "app/pack.h"
#include "app/text.h"
#include "base/fd.h"

namespace app {
namespace {

struct ArchiveDeleter {
  void operator()(archive* a) const { archive_read_free(a); }
};

// Writes entries below one folder. Each parent is opened beneath it, and names are made with O_EXCL, so neither the
// archive's paths nor its links lead anywhere else.
class Unpacker {
 public:
  Unpacker(base::Fd folder, const UnpackLimits& limits)
      : folder_(std::move(folder)), limits_(limits), archive_(archive_read_new()) {}

  base::Result<Unpacked> unpack(int fd) {
    archive_read_support_format_tar(archive_.get());
    archive_read_support_format_empty(archive_.get());
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_filter_zstd(archive_.get());
    archive_read_support_filter_xz(archive_.get());
    if (archive_read_open_fd(archive_.get(), fd, 1 << 16) != ARCHIVE_OK) return failed();
    for (archive_entry* entry = nullptr;;) {
      int result = archive_read_next_header(archive_.get(), &entry);
      if (result == ARCHIVE_EOF) return done_;
      if (result < ARCHIVE_WARN) return failed();
      if (auto written = write(entry); !written) return std::unexpected(written.error());
    }
  }

 private:
  base::Result<void> write(archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    if (!raw) raw = archive_entry_pathname_utf8(entry);  // a name the C locale cannot express
    std::string path;
    if (!raw || !normalize_inside(raw, path))
      return base::invalid("the upload names a path outside its folder: \"{}\"", raw ? raw : "");
    if (path.size() > limits_.path_length)
      return base::invalid("the upload holds a path of {} bytes; the limit is {}", path.size(), limits_.path_length);
    if (path.empty()) return {};
    if (++done_.files > limits_.files)
      return base::fail(base::Kind::overloaded, "the upload holds more than {} files", limits_.files);
    if (archive_entry_hardlink(entry)) return base::invalid("the upload holds a hard link: {}", path);
    switch (archive_entry_filetype(entry)) {
      case AE_IFDIR:
        return make_folder(path);
      case AE_IFREG:
        return write_file(path, (archive_entry_perm(entry) & 0111) != 0);
      case AE_IFLNK:
        return make_link(
            path, archive_entry_symlink(entry) ? archive_entry_symlink(entry) : archive_entry_symlink_utf8(entry));
      default:
        return base::invalid("the upload holds something that is neither file, folder nor link: {}", path);
    }
  }

  static std::pair<std::string, std::string> divide(const std::string& path) {
    auto slash = path.rfind('/');
    if (slash == path.npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
  }

  // Opens a folder below the top, making it and its parents when they are not there.
  base::Result<base::Fd> open_folder(const std::string& path) {
    if (path.empty()) return base::dup(folder_.get());
    auto there = base::open_beneath(folder_.get(), path, O_RDONLY | O_DIRECTORY);
    if (there || there.error().kind() != base::Kind::not_found) return there;
    if (auto made = make_folder(path); !made) return std::unexpected(made.error());
    return base::open_beneath(folder_.get(), path, O_RDONLY | O_DIRECTORY);
  }

  base::Result<void> make_folder(const std::string& path) {
    auto [parent, name] = divide(path);
    auto at = open_folder(parent);
    if (!at) return base::wrap(at.error(), "unpack " + path);
    if (::mkdirat(at->get(), name.c_str(), 0755) < 0 && errno != EEXIST)
      return base::errno_error("unpack the folder " + path);
    return {};
  }

  base::Result<void> make_link(const std::string& path, const char* target) {
    auto [parent, name] = divide(path);
    std::string inside;
    bool stays = target && *target && *target != '/' && normalize_inside(parent + "/./" + target, inside);
    if (parent.empty()) stays = target && *target && normalize_inside(target, inside);
    if (!stays)
      return base::invalid("the upload holds a link that leaves its folder: {} → {}", path, target ? target : "");
    auto at = open_folder(parent);
    if (!at) return base::wrap(at.error(), "unpack " + path);
    if (::symlinkat(target, at->get(), name.c_str()) < 0) return base::errno_error("unpack the link " + path);
    return {};
  }

  base::Result<void> write_file(const std::string& path, bool executable) {
    auto [parent, name] = divide(path);
    auto at = open_folder(parent);
    if (!at) return base::wrap(at.error(), "unpack " + path);
    auto file = base::open_at(at->get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!file) return base::wrap(file.error(), "unpack " + path);
    if (auto written = write_content(file->get(), path); !written) return written;
    if (::fchmod(file->get(), executable ? 0755 : 0644) < 0) return base::errno_error("set the mode of " + path);
    return {};
  }

  base::Result<void> write_content(int file, const std::string& path) {
    for (;;) {
      const void* bytes = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      int result = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
      if (result == ARCHIVE_EOF) return {};
      if (result < ARCHIVE_WARN) return std::unexpected(failed().error());
      done_.bytes += size;
      if (done_.bytes > limits_.bytes)
        return base::fail(base::Kind::overloaded, "the upload unpacks to more than {} MB", limits_.bytes / 1'000'000);
      // Sparse entries come with offsets; holes stay holes.
      if (::lseek(file, offset, SEEK_SET) < 0) return base::errno_error("unpack " + path);
      if (auto written = base::write_all(file, {static_cast<const char*>(bytes), size}); !written)
        return base::wrap(written.error(), "unpack " + path);
    }
  }

  base::Result<Unpacked> failed() const {
    auto reason = archive_error_string(archive_.get());
    return base::invalid("the upload is not a readable tar archive: {}", reason ? reason : "unknown reason");
  }

  base::Fd folder_;
  UnpackLimits limits_;
  std::unique_ptr<archive, ArchiveDeleter> archive_;
  Unpacked done_;
};

}  // namespace

base::Result<Unpacked> unpack(int archive, const std::string& folder, const UnpackLimits& limits) {
  auto fd = base::open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return std::unexpected(fd.error());
  auto unpacked = Unpacker(std::move(*fd), limits).unpack(archive);
  if (!unpacked) return unpacked;
  auto digest = digest_folder(folder);
  if (!digest) return std::unexpected(digest.error());
  unpacked->digest = std::move(*digest);
  return unpacked;
}

}  // namespace app
