// worker::Spool: unlinked temporary files for what does not fit into memory, one after the other. Their parts are
// shared with whoever sends them, and a file's disk is free again when the last of its parts is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/fd.h"

namespace worker {

class Spool {
 public:
  // A file that has so many bytes is followed by another, for a response may go on for ever.
  static constexpr std::uint64_t most_per_file = 64 << 20;

  // Where the bytes lie in `file`, which may be a new one; false, and no change, when the disk does not take them.
  bool append(std::string_view bytes, std::uint64_t& offset);
  const std::shared_ptr<const base::Fd>& file() const { return file_; }
  void forget() { file_.reset(); }

 private:
  std::shared_ptr<const base::Fd> file_;
  std::uint64_t size_ = 0;
};

}  // namespace worker
