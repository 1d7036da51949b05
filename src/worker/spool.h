// worker::Spool: an unlinked temporary file for what does not fit into memory. Its parts are shared with whoever sends
// them, and the disk is free again when the last of them is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/fd.h"

namespace worker {

class Spool {
 public:
  // Where the bytes lie in `file`; false, and no change, when the disk does not take them.
  bool append(std::string_view bytes, std::uint64_t& offset);
  const std::shared_ptr<const base::Fd>& file() const { return file_; }
  void forget() { file_.reset(); }

 private:
  std::shared_ptr<const base::Fd> file_;
  std::uint64_t size_ = 0;
};

}  // namespace worker
