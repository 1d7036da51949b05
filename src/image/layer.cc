#include "image/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>

#include "app/digest.h"
#include "image/blob_writer.h"

namespace image {
namespace {

namespace fs = std::filesystem;

struct EntryDeleter {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using EntryPtr = std::unique_ptr<archive_entry, EntryDeleter>;

struct DirDeleter {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

base::Result<std::vector<std::string>> sorted_names(const base::Fd& folder) {
  auto own = base::open_at(folder.get(), ".", O_RDONLY | O_DIRECTORY);
  if (!own) return std::unexpected(own.error());
  std::unique_ptr<DIR, DirDeleter> dir(::fdopendir(own->get()));
  if (!dir) return base::errno_error("read a folder");
  (void)own->release();  // the stream's now
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

base::Result<std::string> read_link(int folder, const std::string& name) {
  std::string target(4096, '\0');
  auto length = ::readlinkat(folder, name.c_str(), target.data(), target.size());
  if (length < 0) return base::errno_error("read the link " + name);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : name.empty() ? folder : folder + "/" + name;
}

// Counts what goes into a layer or comes out of one.
class Measure {
 public:
  // `disk`: any file where it is written to.
  Measure(const Bounds& bounds, int disk) : bounds_(bounds), disk_(disk) {}

  base::Result<void> add_entry(const std::string& name, std::uint64_t size) {
    bytes_ += std::min(size, bounds_.bytes + 1);
    if (bytes_ > bounds_.bytes)
      return too_much(name, fmt::format("with its {} bytes the files are more than {} MiB", size, bounds_.bytes >> 20));
    if (++entries_ > bounds_.entries)
      return too_much(name, fmt::format("there are more than {} files", bounds_.entries));
    return {};
  }
  // Before so many more bytes are written. Root could fill the disk to its last block.
  base::Result<void> leave_room(std::uint64_t bytes) {
    unchecked_ += bytes;
    if (unchecked_ < kCheckEvery) return {};
    unchecked_ = 0;
    struct statvfs facts;
    if (::fstatvfs(disk_, &facts) < 0 || facts.f_bavail * facts.f_frsize >= bounds_.free_bytes) return {};
    return std::unexpected(base::Error(base::Kind::unavailable,
                                       fmt::format("less than {} MiB are free on the disk", bounds_.free_bytes >> 20),
                                       "make room where Serai keeps its files"));
  }

 private:
  static constexpr std::uint64_t kCheckEvery = 32ULL << 20;

  static base::Result<void> too_much(const std::string& name, const std::string& why) {
    return std::unexpected(base::Error(base::Kind::invalid, fmt::format("put {} into an image: {}", name, why),
                                       "leave out what the app does not need to run"));
  }

  Bounds bounds_;
  int disk_;
  std::uint64_t bytes_ = 0, entries_ = 0, unchecked_ = kCheckEvery;
};

class Packer {
 public:
  Packer(const base::Fd& blob, const Bounds& bounds)
      : blob_(blob), measure_(bounds, blob.get()), archive_(archive_write_new()) {}

  base::Result<Layer> pack(const std::string& name, const std::vector<Source>& sources) {
    archive_write_set_format_gnutar(archive_.get());  // raw names of any length, no times beside the one field
    archive_write_set_bytes_in_last_block(archive_.get(), 1);
    if (archive_write_open(archive_.get(), this, nullptr, &Packer::write, nullptr) != ARCHIVE_OK)
      return std::unexpected(failed("begin a layer").error());
    for (const auto& source : sources) {
      auto added = add(source);
      if (!added) return base::wrap(added.error(), "pack " + source.from.string());
    }
    if (archive_write_close(archive_.get()) != ARCHIVE_OK) return std::unexpected(failed("end a layer").error());
    return blob_.finish(name);
  }

 private:
  // libarchive's callback; our own error is kept aside, as libarchive carries only a code.
  static la_ssize_t write(archive* a, void* self, const void* bytes, std::size_t size) {
    auto& packer = *static_cast<Packer*>(self);
    auto done = packer.blob_.write({static_cast<const char*>(bytes), size});
    if (done) return static_cast<la_ssize_t>(size);
    packer.error_ = done.error();
    archive_set_error(a, EIO, "the blob cannot be written");
    return -1;
  }

  base::Result<void> add(const Source& source) {
    for (fs::path at = fs::path(source.to).parent_path(); !at.empty(); at = at.parent_path()) parents_.push_back(at);
    for (; !parents_.empty(); parents_.pop_back()) {
      if (auto added = add_folder(parents_.back(), 0755); !added) return added;
    }
    source_ = &source;
    auto parent = base::open(source.from.parent_path().string(), O_PATH | O_DIRECTORY);
    if (!parent) return std::unexpected(parent.error());
    return add_entry(*parent, source.from.filename(), "");
  }

  // `path` is relative to the source.
  base::Result<void> add_entry(const base::Fd& folder, const std::string& name, const std::string& path) {
    if (!path.empty() && source_->leave_out && source_->leave_out(path)) return {};
    struct stat facts;
    if (::fstatat(folder.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) < 0)
      return base::errno_error("look at " + path);
    auto to = join(source_->to, path);
    if (name.starts_with(".wh.")) return whiteout(to);
    auto size = S_ISREG(facts.st_mode) ? static_cast<std::uint64_t>(facts.st_size) : 0;
    if (auto fits = measure_.add_entry(to, size); !fits) return fits;
    if (S_ISDIR(facts.st_mode)) return add_tree(folder, name, path, facts.st_mode);
    if (S_ISLNK(facts.st_mode)) return add_link(folder, name, to);
    if (S_ISREG(facts.st_mode)) return add_file(folder, name, to);
    return {};
  }

  static base::Result<void> whiteout(const std::string& name) {
    return std::unexpected(
        base::Error(base::Kind::invalid,
                    fmt::format("put {} into an image: names that begin with .wh. stand for removed files there", name),
                    "rename it"));
  }

  base::Result<void> add_tree(const base::Fd& above, const std::string& name, const std::string& path, mode_t mode) {
    auto folder = base::open_at(above.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!folder) return std::unexpected(folder.error());
    if (auto to = join(source_->to, path); !to.empty()) {
      if (auto added = add_folder(to, source_->keep_modes ? mode & 01777 : 0755); !added) return added;
    }
    auto names = sorted_names(*folder);
    if (!names) return base::wrap(names.error(), "pack " + path);
    for (const auto& entry : *names) {
      if (auto added = add_entry(*folder, entry, join(path, entry)); !added) return added;
    }
    return {};
  }

  base::Result<void> add_folder(const std::string& to, mode_t mode) {
    if (!folders_.insert(to).second) return {};
    auto header = make_header(to, AE_IFDIR, mode);
    return write_header(header.get(), to);
  }

  base::Result<void> add_link(const base::Fd& folder, const std::string& name, const std::string& to) {
    auto target = read_link(folder.get(), name);
    if (!target) return std::unexpected(target.error());
    auto header = make_header(to, AE_IFLNK, 0777);
    archive_entry_set_symlink(header.get(), target->c_str());
    return write_header(header.get(), to);
  }

  base::Result<void> add_file(const base::Fd& folder, const std::string& name, const std::string& to) {
    auto file = base::open_at(folder.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat facts;
    if (!file) return std::unexpected(file.error());
    if (::fstat(file->get(), &facts) < 0 || !S_ISREG(facts.st_mode))
      return base::fail(base::Kind::conflict, "{} changed while it was packed", to);
    mode_t plain = (facts.st_mode & 0111) ? 0755 : 0644;
    auto header = make_header(to, AE_IFREG, source_->keep_modes ? facts.st_mode & 0777 : plain);
    archive_entry_set_size(header.get(), facts.st_size);
    if (auto written = write_header(header.get(), to); !written) return written;
    return add_content(*file, to, facts.st_size);
  }

  base::Result<void> add_content(const base::Fd& file, const std::string& to, std::int64_t size) {
    std::int64_t total = 0;
    for (std::array<char, 1 << 16> buffer; total <= size;) {
      auto count = base::read_some(file.get(), buffer);
      if (!count) return base::wrap(count.error(), "pack " + to);
      if (!*count || **count == 0) break;
      if (auto room = measure_.leave_room(**count); !room) return base::wrap(room.error(), "pack " + to);
      total += static_cast<std::int64_t>(**count);
      if (total <= size && archive_write_data(archive_.get(), buffer.data(), **count) < 0) return failed("pack " + to);
    }
    if (total == size) return {};
    return base::fail(base::Kind::conflict, "{} changed while it was packed", to);
  }

  static EntryPtr make_header(const std::string& to, unsigned type, mode_t mode) {
    EntryPtr header(archive_entry_new());
    archive_entry_set_pathname(header.get(), to.c_str());
    archive_entry_set_filetype(header.get(), type);
    archive_entry_set_perm(header.get(), mode);
    archive_entry_set_mtime(header.get(), kTime, 0);
    return header;
  }

  base::Result<void> write_header(archive_entry* header, const std::string& to) {
    if (archive_write_header(archive_.get(), header) < ARCHIVE_WARN) return failed("pack " + to);
    return {};
  }

  base::Result<void> failed(const std::string& attempted) const {
    if (error_) return std::unexpected(*error_);
    auto reason = archive_error_string(archive_.get());
    return base::fail(base::Kind::internal, "{}: {}", attempted, reason ? reason : "unknown reason");
  }

  struct ArchiveDeleter {
    void operator()(archive* a) const { archive_write_free(a); }
  };
  BlobWriter blob_;
  Measure measure_;
  std::optional<base::Error> error_;  // outlives the archive, whose end may call write()
  std::unique_ptr<archive, ArchiveDeleter> archive_;
  const Source* source_ = nullptr;
  std::vector<fs::path> parents_;
  std::set<std::string> folders_;  // that are in the archive
};

struct ReaderDeleter {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct DiskDeleter {
  void operator()(archive* a) const { archive_write_free(a); }
};

base::Result<void> copy_content(archive* from, archive* to, Measure& measure) {
  for (;;) {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int result = archive_read_data_block(from, &bytes, &size, &offset);
    if (result == ARCHIVE_EOF) return {};
    if (result < ARCHIVE_WARN) return base::fail(base::Kind::internal, "{}", archive_error_string(from));
    if (auto room = measure.leave_room(size); !room) return room;
    if (archive_write_data_block(to, bytes, size, offset) < ARCHIVE_WARN)
      return base::fail(base::Kind::unavailable, "{}", archive_error_string(to));
  }
}

}  // namespace

base::Result<Layer> write_layer(const std::string& name, const std::vector<Source>& sources, const base::Fd& blob,
                                const Bounds& bounds) {
  return Packer(blob, bounds).pack(name, sources);
}

base::Result<void> unpack_layer(const fs::path& blob, const fs::path& folder, const Bounds& bounds) {
  auto disk = base::open(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!disk) return std::unexpected(disk.error());
  Measure measure(bounds, disk->get());
  std::unique_ptr<archive, ReaderDeleter> from(archive_read_new());
  std::unique_ptr<archive, DiskDeleter> to(archive_write_disk_new());
  archive_read_support_format_tar(from.get());
  archive_read_support_format_empty(from.get());
  archive_read_support_filter_gzip(from.get());
  archive_write_disk_set_options(to.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                                               ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS);
  auto failed = [&](archive* which) {
    auto reason = archive_error_string(which);
    return base::fail(base::Kind::internal, "unpack the layer {}: {}", blob.string(), reason ? reason : "no reason");
  };
  if (archive_read_open_filename(from.get(), blob.c_str(), 1 << 16) != ARCHIVE_OK) return failed(from.get());
  for (archive_entry* entry = nullptr;;) {
    int result = archive_read_next_header(from.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result < ARCHIVE_WARN) return failed(from.get());
    const char* name = archive_entry_pathname(entry);
    if (!name) return base::fail(base::Kind::internal, "unpack the layer {}: an entry has no name", blob.string());
    auto path = (folder / name).string();
    archive_entry_set_pathname(entry, path.c_str());
    if (archive_write_header(to.get(), entry) < ARCHIVE_WARN) return failed(to.get());
    if (auto copied = copy_content(from.get(), to.get(), measure); !copied)
      return base::wrap(copied.error(), "unpack " + path);
  }
  if (archive_write_close(to.get()) < ARCHIVE_WARN) return failed(to.get());
  return {};
}

base::Result<std::string> digest_file(const fs::path& file) {
  auto fd = base::open(file.string(), O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  app::Digest digest;
  for (std::array<char, 1 << 16> buffer;;) {
    auto count = base::read_some(fd->get(), buffer);
    if (!count) return std::unexpected(count.error());
    if (!*count || **count == 0) return digest.hex();
    digest.add({buffer.data(), **count});
  }
}

}  // namespace image
