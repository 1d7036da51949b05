// worker::Output: what one client is still owed: bytes in memory, ranges of files, and bytes spooled to disk when a
// client is slower than its response. Sends as much as the socket takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "net/transport.h"
#include "worker/keeper.h"
#include "worker/spool.h"

namespace worker {

enum class Sent { all, some, peer_gone };

class Output {
 public:
  // Beyond `memory_limit` pending bytes, `append` goes to an unlinked temporary file. Default: never.
  void spool_beyond(std::size_t memory_limit) { memory_limit_ = memory_limit; }

  // Whether so many more bytes would go to the file.
  bool spools(std::size_t size) const { return memory_limit_ != SIZE_MAX && memory_pending() + size > memory_limit_; }

  // The string in memory at the end, to append a head or a chunk frame to.
  std::string& tail();
  void append(std::string_view bytes);
  // `length` bytes of `file` from `offset`; the file is shared with whoever else reads it.
  void append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length);

  // Sends what is pending, in order. `bytes_sent` grows by what the socket took.
  Sent flush(net::Transport& transport, std::uint64_t& bytes_sent);
  // The same, followed by `bytes`, without copying them unless the socket does not take them all and there is no
  // keeper.
  Sent flush_with(net::Transport& transport, std::string_view bytes, const Keeper* keeper, std::uint64_t& bytes_sent);

  bool is_empty() const;
  std::uint64_t pending() const;
  void clear();

 private:
  struct Segment {
    std::string bytes;  // of a memory segment; `offset` bytes of it were sent
    std::shared_ptr<const base::Fd> file;
    std::uint64_t offset = 0;
    std::uint64_t left = 0;                       // of a file segment
    std::string_view kept{};                      // somebody else's bytes, instead of `bytes`
    std::shared_ptr<const void> owner = nullptr;  // of these

    std::string_view unsent() const { return (owner ? kept : std::string_view(bytes)).substr(offset); }
    std::uint64_t pending() const { return file ? left : unsent().size(); }
    bool is_own_memory() const { return !file && !owner; }
  };

  Sent send_segment(Segment& segment, bool more_follows, net::Transport& transport, std::uint64_t& bytes_sent);
  bool append_to_spool(std::string_view bytes);
  std::size_t memory_pending() const;
  void forget_sent();
  void drop_sent_prefix();
  void append_rest(std::string_view rest, const Keeper* keeper);

  std::vector<Segment> segments_;
  std::size_t memory_limit_ = SIZE_MAX;
  Spool spool_;
};

}  // namespace worker
