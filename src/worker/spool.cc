#include "worker/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace worker {
namespace {

base::Fd open_temporary_file() {
  const char* folder = ::getenv("TMPDIR");
  if (!folder || !*folder) folder = "/tmp";
  base::Fd file(::open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.is_open()) return file;
  std::string name = std::string(folder) + "/serai-XXXXXX";  // a file system without O_TMPFILE
  file = base::Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (file.is_open()) ::unlink(name.c_str());
  return file;
}

}  // namespace

bool Spool::append(std::string_view bytes, std::uint64_t& offset) {
  if (!file_ || size_ >= most_per_file) {
    base::Fd file = open_temporary_file();
    if (!file.is_open()) return false;
    file_ = std::make_shared<const base::Fd>(std::move(file));
    size_ = 0;
  }
  for (std::uint64_t written = 0; written < bytes.size();) {
    ssize_t count =
        ::pwrite(file_->get(), bytes.data() + written, bytes.size() - written, static_cast<off_t>(size_ + written));
    if (count < 0) return false;
    written += static_cast<std::uint64_t>(count);
  }
  offset = size_;
  size_ += bytes.size();
  return true;
}

}  // namespace worker
