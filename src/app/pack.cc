#include "app/pack.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <memory>
#include <optional>

#include "base/fd.h"

namespace app {
namespace {

struct ArchiveDeleter {
  void operator()(archive* a) const { archive_write_free(a); }
};
struct EntryDeleter {
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using ArchivePtr = std::unique_ptr<archive, ArchiveDeleter>;
using EntryPtr = std::unique_ptr<archive_entry, EntryDeleter>;

class Packer {
 public:
  Packer(std::string folder, const Sink& sink)
      : folder_(std::move(folder)), sink_(sink), archive_(archive_write_new()) {}

  base::Result<void> pack(const PackPlan& plan) {
    archive_write_add_filter_zstd(archive_.get());
    archive_write_set_format_gnutar(archive_.get());  // raw names of any length, no times beside the one field
    archive_write_set_bytes_in_last_block(archive_.get(), 1);
    if (archive_write_open(archive_.get(), this, nullptr, &Packer::write, nullptr) != ARCHIVE_OK)
      return failed("begin the archive");
    for (const auto& entry : plan.entries) {
      if (auto done = add(entry); !done) return done;
    }
    if (archive_write_close(archive_.get()) != ARCHIVE_OK) return failed("end the archive");
    return {};
  }

 private:
  // libarchive's callback; the sink's own error is kept aside, as libarchive carries only a code.
  static la_ssize_t write(archive* a, void* self, const void* bytes, std::size_t size) {
    auto& packer = *static_cast<Packer*>(self);
    auto done = packer.sink_({static_cast<const char*>(bytes), size});
    if (done) return static_cast<la_ssize_t>(size);
    packer.sink_error_ = done.error();
    archive_set_error(a, EIO, "the receiver failed");
    return -1;
  }

  base::Result<void> add(const PackEntry& entry) {
    EntryPtr header(archive_entry_new());
    archive_entry_set_pathname(header.get(), entry.path.c_str());
    archive_entry_set_mtime(header.get(), 0, 0);
    switch (entry.kind) {
      case PackEntry::Kind::folder:
        archive_entry_set_filetype(header.get(), AE_IFDIR);
        archive_entry_set_perm(header.get(), 0755);
        break;
      case PackEntry::Kind::link:
        archive_entry_set_filetype(header.get(), AE_IFLNK);
        archive_entry_set_perm(header.get(), 0777);
        archive_entry_set_symlink(header.get(), entry.target.c_str());
        break;
      case PackEntry::Kind::file:
        archive_entry_set_filetype(header.get(), AE_IFREG);
        archive_entry_set_perm(header.get(), entry.executable ? 0755 : 0644);
        archive_entry_set_size(header.get(), static_cast<la_int64_t>(entry.size));
        break;
    }
    if (archive_write_header(archive_.get(), header.get()) < ARCHIVE_WARN) return failed("pack " + entry.path);
    return entry.kind == PackEntry::Kind::file ? add_content(entry) : base::Result<void>();
  }

  base::Result<void> add_content(const PackEntry& entry) {
    auto fd = base::open(folder_ + "/" + entry.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return std::unexpected(fd.error());
    std::uint64_t total = 0;
    for (std::array<char, 1 << 16> buffer;;) {
      auto count = base::read_some(fd->get(), buffer);
      if (!count) return base::wrap(count.error(), "pack " + entry.path);
      if (!*count || **count == 0) break;
      total += **count;
      if (total > entry.size) break;
      if (archive_write_data(archive_.get(), buffer.data(), **count) < 0) return failed("pack " + entry.path);
    }
    if (total == entry.size) return {};
    return std::unexpected(
        base::Error(base::Kind::conflict, fmt::format("{} changed while it was packed", entry.path), "try again"));
  }

  base::Result<void> failed(std::string attempted) const {
    if (sink_error_) return std::unexpected(*sink_error_);
    auto reason = archive_error_string(archive_.get());
    return base::fail(base::Kind::internal, "{}: {}", attempted, reason ? reason : "unknown reason");
  }

  std::string folder_;
  const Sink& sink_;
  std::optional<base::Error> sink_error_;  // outlives the archive, whose end may call write()
  ArchivePtr archive_;
};

}  // namespace

base::Result<void> pack(const std::string& folder, const PackPlan& plan, const Sink& sink) {
  return Packer(folder, sink).pack(plan);
}

}  // namespace app
