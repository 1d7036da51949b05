#include "http/spooled_body.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace http {
namespace {

constexpr std::size_t write_size = 64 * 1024;

// For file systems without O_TMPFILE: a name that lives for a moment.
base::Result<base::Fd> make_unlinked_file(const std::string& folder) {
  std::string name = folder + "/serai-spool-XXXXXX";
  int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return base::errno_error(fmt::format("make a temporary file in {}", folder));
  ::unlink(name.c_str());
  return base::Fd(fd);
}

base::Result<base::Fd> make_file(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return base::Fd(fd);
  if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) return make_unlinked_file(folder);
  return base::errno_error(fmt::format("make a temporary file in {}", folder));
}

base::Result<void> write_at(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::errno_error("write a body to its temporary file");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

}  // namespace

base::Result<void> SpooledBody::append(std::string_view bytes) {
  if (bytes.size() > options_.limit_bytes - size_) {
    return base::fail(base::Kind::overloaded, "keep a body: it is larger than the {} bytes allowed",
                      options_.limit_bytes);
  }
  if (!is_in_file() && size_ + bytes.size() <= options_.memory_bytes) {
    memory_.append(bytes);
  } else {
    if (!is_in_file()) {
      if (auto moved = move_to_file(); !moved) return moved;
    }
    if (auto added = add_to_file(bytes); !added) return added;
  }
  size_ += bytes.size();
  return {};
}

// A client chooses the size of its chunks: not each of them may cost a system call.
base::Result<void> SpooledBody::add_to_file(std::string_view bytes) {
  if (memory_.size() + bytes.size() < write_size) {
    memory_.append(bytes);
    return {};
  }
  if (auto done = complete(); !done) return done;
  return write_at(file_.get(), bytes, size_);
}

base::Result<void> SpooledBody::complete() {
  if (!is_in_file() || memory_.empty()) return {};
  auto done = write_at(file_.get(), memory_, written());
  if (done) memory_.clear();
  return done;
}

base::Result<void> SpooledBody::move_to_file() {
  auto file = make_file(options_.folder);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto written = write_at(file->get(), memory_, 0); !written) return written;
  file_ = std::move(*file);
  std::string().swap(memory_);
  return {};
}

base::Result<std::size_t> SpooledBody::read_at(std::uint64_t offset, std::span<char> into) const {
  if (offset >= size_) return std::size_t{0};
  std::uint64_t in_file = is_in_file() ? written() : 0;
  if (offset >= in_file) {
    std::string_view rest = std::string_view(memory_).substr(offset - in_file, into.size());
    std::ranges::copy(rest, into.begin());
    return rest.size();
  }
  std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), in_file - offset));
  for (;;) {
    ssize_t got = ::pread(file_.get(), into.data(), wanted, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return base::errno_error("read a body from its temporary file");
  }
}

void SpooledBody::clear() {
  std::string().swap(memory_);
  file_.close();
  size_ = 0;
}

}  // namespace http
