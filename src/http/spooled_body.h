// http::SpooledBody: a body that is kept until it is whole or taken: in memory while it is small, then in an unnamed
// temporary file. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace http {

class SpooledBody {
 public:
  struct Options {
    std::size_t memory_bytes = 256 * 1024;   // beyond: everything moves to the file
    std::uint64_t limit_bytes = UINT64_MAX;  // beyond: append fails with Kind::overloaded and changes nothing
    std::string folder = "/tmp";             // where the file is made; it never has a name that others see
  };

  SpooledBody() = default;
  explicit SpooledBody(Options options) : options_(std::move(options)) {}

  base::Result<void> append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  bool is_in_file() const { return file_.is_open(); }
  // While it is in memory: all of it; valid until the next append or clear. Empty once it is in the file.
  std::string_view memory() const { return is_in_file() ? std::string_view() : memory_; }
  // The body is whole: small pieces that were gathered on their way to the file are written, too.
  base::Result<void> complete();
  // Once it is in the file, and complete: for sendfile from offset 0 to size(). The file offset of the descriptor is of
  // no meaning.
  int file() const { return file_.get(); }
  // Reads from either; returns how much was there, 0 at the end.
  base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;
  // Gives memory and file back; the options stay.
  void clear();

 private:
  base::Result<void> move_to_file();
  base::Result<void> add_to_file(std::string_view bytes);
  std::uint64_t written() const { return size_ - memory_.size(); }  // to the file

  Options options_;
  std::string memory_;  // all of it, or what is gathered for the file
  base::Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace http
