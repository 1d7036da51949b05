// http::h2::FileSource: a range of a file as the body of a response, read when it can be sent.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "base/fd.h"
#include "http/h2/body_source.h"

namespace http::h2 {

class FileSource final : public BodySource {
 public:
  FileSource(std::shared_ptr<const base::Fd> file, std::uint64_t offset) : file_(std::move(file)), offset_(offset) {}

  // A file that has become shorter gives 0: the response cannot be kept.
  base::Result<std::size_t> read(std::span<char> into) override {
    ssize_t count = ::pread(file_->get(), into.data(), into.size(), static_cast<off_t>(offset_));
    if (count < 0) return base::errno_error("read a file that is being sent");
    offset_ += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }

 private:
  std::shared_ptr<const base::Fd> file_;
  std::uint64_t offset_;
};

}  // namespace http::h2
