#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "image/layout.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// index.json with one of its manifests.
base::Result<std::string> index_of(const fs::path& layout, const std::string& name) {
  auto text = base::read_file(layout / "index.json");
  if (!text) return std::unexpected(text.error());
  auto index = json::parse(*text, nullptr, false);
  json chosen = json::array();
  for (const auto& manifest : index.is_object() ? index.value("manifests", json::array()) : json::array())
    if (manifest.value("annotations", json::object()).value("org.opencontainers.image.ref.name", "") == name)
      chosen.push_back(manifest);
  if (chosen.empty()) return base::not_found("find the image {} in {}", name, layout.string());
  index["manifests"] = chosen;
  return index.dump(1) + "\n";
}

base::Result<void> copy_image(const fs::path& layout, const std::vector<std::string>& digests, const std::string& index,
                              const fs::path& to) {
  auto blobs = to / "blobs" / "sha256";
  if (auto made = base::make_folders(blobs); !made) return made;
  for (const auto& digest : digests) {
    std::error_code error;
    fs::copy_file(layout / "blobs" / "sha256" / digest, blobs / digest, fs::copy_options::skip_existing, error);
    if (error) return std::unexpected(base::Error::from_errno("copy the blob " + digest, error.value()));
  }
  auto written = base::write_file_atomically(to / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  if (written) written = base::write_file_atomically(to / "index.json", index);
  return written;
}

class LayoutArchive {
 public:
  explicit LayoutArchive(const base::Fd& file) : archive_(archive_write_new()) {
    archive_write_set_format_gnutar(archive_.get());
    archive_write_set_bytes_in_last_block(archive_.get(), 1);
    opened_ = archive_write_open_fd(archive_.get(), file.get()) == ARCHIVE_OK;
  }

  base::Result<void> add_file(const std::string& name, const fs::path& from) {
    auto file = base::open(from.string(), O_RDONLY);
    struct stat facts;
    if (!file) return std::unexpected(file.error());
    if (::fstat(file->get(), &facts) < 0) return base::errno_error("look at " + from.string());
    if (auto begun = begin(name, AE_IFREG, facts.st_size); !begun) return begun;
    for (std::array<char, 1 << 16> buffer;;) {
      auto count = base::read_some(file->get(), buffer);
      if (!count) return std::unexpected(count.error());
      if (!*count || **count == 0) return {};
      if (archive_write_data(archive_.get(), buffer.data(), **count) < 0) return failed(name);
    }
  }

  base::Result<void> add(const std::string& name, const std::string& content) {
    if (auto begun = begin(name, AE_IFREG, static_cast<std::int64_t>(content.size())); !begun) return begun;
    if (archive_write_data(archive_.get(), content.data(), content.size()) < 0) return failed(name);
    return {};
  }

  base::Result<void> add_folder(const std::string& name) { return begin(name, AE_IFDIR, 0); }

  base::Result<void> end() {
    return archive_write_close(archive_.get()) == ARCHIVE_OK ? base::Result<void>{} : failed("the end");
  }

 private:
  struct Deleter {
    void operator()(archive* a) const { archive_write_free(a); }
  };

  base::Result<void> begin(const std::string& name, unsigned type, std::int64_t size) {
    std::unique_ptr<archive_entry, decltype(&archive_entry_free)> header(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(header.get(), name.c_str());
    archive_entry_set_filetype(header.get(), type);
    archive_entry_set_perm(header.get(), type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_mtime(header.get(), kTime, 0);
    archive_entry_set_size(header.get(), size);
    if (!opened_ || archive_write_header(archive_.get(), header.get()) < ARCHIVE_WARN) return failed(name);
    return {};
  }

  base::Result<void> failed(const std::string& name) {
    auto reason = archive_error_string(archive_.get());
    return base::fail(base::Kind::unavailable, "write {} to the archive: {}", name, reason ? reason : "no reason");
  }

  std::unique_ptr<archive, Deleter> archive_;
  bool opened_ = false;
};

// What `docker load` reads first (moby's image/tarexport). It takes layers compressed or not, and their names as they
// are given; since Docker 25 `docker save` writes a layout with this file beside it, too.
std::string docker_manifest(const std::string& name, const std::vector<std::string>& digests) {
  auto place = [](const std::string& digest) { return "blobs/sha256/" + digest; };
  json layers = json::array();
  for (std::size_t i = 2; i < digests.size(); i++) layers.push_back(place(digests[i]));
  json image = {{"Config", place(digests[1])}, {"RepoTags", json::array({name})}, {"Layers", layers}};
  return json::array({image}).dump() + "\n";
}

base::Result<void> archive_image(const Export& what, const std::vector<std::string>& digests, const std::string& index,
                                 const fs::path& to) {
  auto file = base::open(to.string(), O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (!file) return std::unexpected(file.error());
  LayoutArchive archive(*file);
  auto done = archive.add("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  if (done) done = archive.add("index.json", index);
  if (done && what.format == Export::Format::docker_archive)
    done = archive.add("manifest.json", docker_manifest(what.name, digests));
  if (done) done = archive.add_folder("blobs");
  if (done) done = archive.add_folder("blobs/sha256");
  for (const auto& digest : std::set<std::string>(digests.begin(), digests.end()))
    if (done) done = archive.add_file("blobs/sha256/" + digest, what.layout / "blobs" / "sha256" / digest);
  if (done) done = archive.end();
  if (!done) ::unlink(to.c_str());
  return done;
}

}  // namespace

base::Result<void> export_image(const Export& what, const fs::path& to) {
  if (fs::exists(to))
    return std::unexpected(base::Error(base::Kind::conflict, fmt::format("write {}: it is there already", to.string()),
                                       "name a folder or a .tar file that does not exist yet"));
  auto digests = blobs_of(what.layout, what.manifest);
  if (!digests) return std::unexpected(digests.error());
  auto index = index_of(what.layout, what.name);
  if (!index) return std::unexpected(index.error());
  bool one_file = to.extension() == ".tar" || what.format == Export::Format::docker_archive;
  if (one_file) return archive_image(what, *digests, *index, to);
  return copy_image(what.layout, *digests, *index, to);
}

}  // namespace image
