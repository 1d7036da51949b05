// worker::Keeper: keeps bytes of the application's that a client does not take at once, so that they need not be
// copied.
#pragma once

#include <memory>

namespace worker {

class Keeper {
 public:
  // Keeps the bytes alive, unchanged, for as long as the result lives. Only worth it for many bytes.
  virtual std::shared_ptr<const void> keep() const = 0;

 protected:
  ~Keeper() = default;
};

}  // namespace worker
