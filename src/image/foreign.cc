#include "image/foreign.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <unordered_map>

#include "base/file.h"
#include "image/foreign_manifest.h"
#include "image/tree.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using base::Kind;

constexpr std::uint64_t kRoomEvery = 32ULL << 20;

struct ArchiveDeleter {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchivePtr = std::unique_ptr<archive, ArchiveDeleter>;

using OnMember = std::function<base::Result<void>(archive* layer, const Member& member)>;

Member::Type type_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry)) return Member::Type::hard_link;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return Member::Type::file;
    case AE_IFDIR:
      return Member::Type::folder;
    case AE_IFLNK:
      return Member::Type::link;
    default:
      return Member::Type::other;
  }
}

std::string or_empty(const char* text) { return text ? text : ""; }

Member member_of(archive_entry* entry) {
  Member member{.type = type_of(entry), .path = or_empty(archive_entry_pathname(entry)), .target = {}};
  if (member.type == Member::Type::hard_link) member.target = or_empty(archive_entry_hardlink(entry));
  if (member.type == Member::Type::link) member.target = or_empty(archive_entry_symlink(entry));
  member.mode = archive_entry_perm(entry);
  auto size = archive_entry_size(entry);
  if (member.type == Member::Type::file && size > 0) member.size = static_cast<std::uint64_t>(size);
  return member;
}

std::unexpected<base::Error> failed(archive* layer) {
  return base::invalid("the layer cannot be read: {}", or_empty(archive_error_string(layer)));
}

base::Result<void> read_members(const fs::path& blob, const OnMember& on_member) {
  ArchivePtr layer(archive_read_new());
  archive_read_support_format_tar(layer.get());
  archive_read_support_format_empty(layer.get());
  archive_read_support_filter_gzip(layer.get());
  archive_read_support_filter_zstd(layer.get());
  if (archive_read_open_filename(layer.get(), blob.c_str(), 1 << 16) != ARCHIVE_OK) return failed(layer.get());
  for (archive_entry* entry = nullptr;;) {
    int result = archive_read_next_header(layer.get(), &entry);
    if (result == ARCHIVE_EOF) return {};
    if (result < ARCHIVE_WARN) return failed(layer.get());
    auto member = member_of(entry);
    if (member.path.empty()) return base::invalid("the layer cannot be read: a member has no name");
    if (auto done = on_member(layer.get(), member); !done) return done;
  }
}

// Writes what a Tree shows. No link is there before all files are, so that no name leads through one.
class Writer {
 public:
  Writer(const Tree& tree, const base::Fd& folder, const Bounds& bounds)
      : tree_(tree), folder_(folder), bounds_(bounds) {
    for (const auto& [path, node] : tree.nodes())
      if (node.type == Node::Type::file) paths_[{node.layer, node.member}].push_back(path);
  }

  base::Result<void> make_folders() {
    for (const auto& [path, node] : tree_.nodes())
      if (node.type == Node::Type::folder && ::mkdirat(folder_.get(), path.c_str(), 0755) < 0) return failed_at(path);
    return {};
  }

  base::Result<void> write_files(std::size_t number, const fs::path& blob) {
    std::size_t index = 0;
    return read_members(blob, [&](archive* layer, const Member&) -> base::Result<void> {
      auto wanted = paths_.find({number, index++});
      if (wanted == paths_.end()) return {};
      const auto& paths = wanted->second;
      if (auto written = write_file(layer, paths.front()); !written) return written;
      for (std::size_t i = 1; i < paths.size(); i++)
        if (::linkat(folder_.get(), paths.front().c_str(), folder_.get(), paths[i].c_str(), 0) < 0)
          return failed_at(paths[i]);
      return {};
    });
  }

  base::Result<void> make_links() {
    for (const auto& [path, node] : tree_.nodes())
      if (node.type == Node::Type::link && ::symlinkat(node.target.c_str(), folder_.get(), path.c_str()) < 0)
        return failed_at(path);
    return {};
  }

  // The deepest first: a folder may close itself to its owner.
  base::Result<void> set_modes() {
    for (auto at = tree_.nodes().rbegin(); at != tree_.nodes().rend(); ++at) {
      if (at->second.type != Node::Type::folder) continue;
      if (::fchmodat(folder_.get(), at->first.c_str(), at->second.mode, 0) < 0) return failed_at(at->first);
    }
    return {};
  }

 private:
  struct Hash {
    std::size_t operator()(const std::pair<std::size_t, std::size_t>& origin) const {
      return origin.first * 1'000'003 + origin.second;
    }
  };

  static std::unexpected<base::Error> failed_at(const std::string& path) { return base::errno_error("make " + path); }

  base::Result<void> write_file(archive* layer, const std::string& path) {
    auto file = base::open_at(folder_.get(), path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!file) return std::unexpected(file.error());
    for (;;) {
      const void* bytes = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      int result = archive_read_data_block(layer, &bytes, &size, &offset);
      if (result == ARCHIVE_EOF) break;
      if (result < ARCHIVE_WARN) return failed(layer);
      if (auto written = write_at(*file, {static_cast<const char*>(bytes), size}, offset); !written)
        return base::wrap(written.error(), "write " + path);
    }
    if (::fchmod(file->get(), tree_.nodes().at(path).mode) < 0) return failed_at(path);
    return {};
  }

  // A sparse file has holes between its blocks.
  base::Result<void> write_at(const base::Fd& file, std::string_view bytes, std::int64_t offset) {
    if (auto room = leave_room(bytes.size()); !room) return room;
    while (!bytes.empty()) {
      auto count = ::pwrite(file.get(), bytes.data(), bytes.size(), offset);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return base::errno_error("write a file");
      bytes.remove_prefix(static_cast<std::size_t>(count));
      offset += count;
    }
    return {};
  }

  // What a member says of its size was counted; what comes out of it is counted here.
  base::Result<void> leave_room(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ > bounds_.bytes) return base::invalid("its files are more than {} MiB", bounds_.bytes >> 20);
    if (bytes_ < next_look_) return {};
    next_look_ = bytes_ + kRoomEvery;
    struct statvfs facts;
    if (::fstatvfs(folder_.get(), &facts) < 0 || facts.f_bavail * facts.f_frsize >= bounds_.free_bytes) return {};
    return std::unexpected(base::Error(Kind::unavailable,
                                       fmt::format("less than {} MiB are free on the disk", bounds_.free_bytes >> 20),
                                       "make room where Serai keeps its files"));
  }

  const Tree& tree_;
  const base::Fd& folder_;
  Bounds bounds_;
  std::unordered_map<std::pair<std::size_t, std::size_t>, std::vector<std::string>, Hash> paths_;  // by origin
  std::uint64_t bytes_ = 0, next_look_ = 0;
};

base::Result<ForeignManifest> read_manifest(const fs::path& blobs, const fs::path& index) {
  auto text = base::read_file(index);
  auto digest = text ? parse_index(*text) : std::unexpected(text.error());
  if (!digest) return std::unexpected(digest.error());
  auto manifest_text = base::read_file(blobs / *digest);
  auto manifest = manifest_text ? parse_manifest(*manifest_text) : std::unexpected(manifest_text.error());
  if (!manifest) return manifest;
  auto config = base::read_file(blobs / manifest->config);
  auto fits = config ? check_platform(*config) : std::unexpected(config.error());
  return fits ? manifest : std::unexpected(fits.error());
}

base::Result<Tree> read_tree(const fs::path& blobs, const ForeignManifest& manifest, const Bounds& bounds) {
  Tree tree(bounds);
  for (const auto& digest : manifest.layers) {
    tree.begin_layer();
    auto read = read_members(blobs / digest, [&](archive*, const Member& member) { return tree.add(member); });
    if (!read) return base::wrap(read.error(), "layer " + digest.substr(0, 12));
  }
  return tree;
}

}  // namespace

base::Result<void> flatten_image(const fs::path& layout, const fs::path& folder, const Bounds& bounds) {
  auto blobs = layout / "blobs" / "sha256";
  auto manifest = read_manifest(blobs, layout / "index.json");
  if (!manifest) return std::unexpected(manifest.error());
  auto tree = read_tree(blobs, *manifest, bounds);
  if (!tree) return std::unexpected(tree.error());
  auto fd = base::open(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  Writer writer(*tree, *fd, bounds);
  auto done = writer.make_folders();
  for (std::size_t i = 0; done && i < manifest->layers.size(); i++)
    done = writer.write_files(i, blobs / manifest->layers[i]);
  if (done) done = writer.make_links();
  if (done) done = writer.set_modes();
  return done;
}

}  // namespace image
