// worker::Account: what one request adds to the counters and to the access log, whatever the protocol. Loop thread.
#pragma once

#include <algorithm>
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
  // Instead of what the client says.
  void name_request(std::string_view id);
  void received(std::uint64_t body_bytes) {
    if (record_) record_->bytes_in += body_bytes;
  }
  // The answer is complete, but the client may not have got all of it: what `close_settled` will say.
  void settle(int status, std::uint64_t body_bytes) {
    status_ = status;
    body_bytes_ = body_bytes;
    settled_ = true;
  }
  // `unsent`: so many bytes of it did not get out. Nothing, where nothing is settled.
  void close_settled(Completion completion, std::uint64_t unsent = 0) {
    if (settled_) close(status_, body_bytes_ - std::min(body_bytes_, unsent), completion);
  }
  bool is_settled() const { return settled_; }
  // `status` 0: nothing was answered.
  void close(int status, std::uint64_t body_bytes, Completion completion);
  // Instead of open and close: a request that was refused before it was one; its head may be no head at all.
  void refuse(const Ends& ends, int status, std::uint64_t body_bytes);

 private:
  Server& server_;
  std::unique_ptr<AccessRecord> record_;  // while an access log is kept
  net::Clock::time_point began_;          // where histograms are kept
  std::uint64_t body_bytes_ = 0;
  int status_ = 0;
  bool settled_ = false;
  bool open_ = false;
};

}  // namespace worker
