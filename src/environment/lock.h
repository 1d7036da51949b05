// environment::Lock: an exclusive flock(2) on a file, made if need be, held until the object goes.
#pragma once

#include <filesystem>
#include <optional>

#include "base/fd.h"

namespace environment {

class Lock {
 public:
  static base::Result<Lock> take(const std::filesystem::path& file);
  // Empty optional when somebody else holds it.
  static base::Result<std::optional<Lock>> try_take(const std::filesystem::path& file);

 private:
  explicit Lock(base::Fd fd) : fd_(std::move(fd)) {}
  base::Fd fd_;
};

}  // namespace environment
