// worker::Account: what one request adds to the counters and to the access log, whatever the protocol. Loop thread.
#pragma once

#include <cstdint>
#include <memory>

#include "worker/access.h"

namespace worker {

class Server;
class Stream;
struct Ends;

// How a response ended: to its last byte, or broken off by either side.
enum class Completion : std::uint8_t { whole, aborted };

class Account {
 public:
  explicit Account(Server& server) : server_(server) {}

  // The stream's head is there: a request is in flight until `close`.
  void open(const Stream& stream);
  bool is_open() const { return open_; }
  void received(std::uint64_t body_bytes) {
    if (record_) record_->bytes_in += body_bytes;
  }
  // `status` 0: nothing was answered.
  void close(int status, std::uint64_t body_bytes, Completion completion);
  // Instead of open and close: a request that was refused before it was one; its head may be no head at all.
  void refuse(const Ends& ends, int status, std::uint64_t body_bytes);

 private:
  Server& server_;
  std::unique_ptr<AccessRecord> record_;  // while an access log is kept
  net::Clock::time_point began_;          // where histograms are kept
  bool open_ = false;
};

}  // namespace worker
