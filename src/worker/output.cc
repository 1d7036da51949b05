#include "worker/output.h"

#include <algorithm>
#include <array>
#include <utility>

namespace worker {
std::string& Output::tail() {
  if (segments_.empty() || !segments_.back().is_own_memory()) segments_.emplace_back();
  return segments_.back().bytes;
}

void Output::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (spools(bytes.size()) && append_to_spool(bytes)) return;
  tail().append(bytes);
}

bool Output::append_to_spool(std::string_view bytes) {
  std::uint64_t offset = 0;
  if (!spool_.append(bytes, offset)) return false;  // no disk: memory then
  bool extends = !segments_.empty() && segments_.back().file == spool_.file();
  if (extends)
    segments_.back().left += bytes.size();
  else
    segments_.push_back({.bytes = {}, .file = spool_.file(), .offset = offset, .left = bytes.size()});
  return true;
}

void Output::append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  segments_.push_back({.bytes = {}, .file = std::move(file), .offset = offset, .left = length});
}

Sent Output::flush(net::Transport& transport, std::uint64_t& bytes_sent) {
  std::size_t done = 0;
  Sent sent = Sent::all;
  while (done < segments_.size()) {
    bool more_follows = std::any_of(segments_.begin() + static_cast<std::ptrdiff_t>(done) + 1, segments_.end(),
                                    [](const Segment& later) { return later.pending() > 0; });
    sent = send_segment(segments_[done], more_follows, transport, bytes_sent);
    if (sent != Sent::all) break;
    done++;
  }
  if (sent == Sent::all) {
    forget_sent();
  } else {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(done));
    drop_sent_prefix();
  }
  return sent;
}

// For an output that is never all sent, since more is always added. By halves, so that each byte is moved about once.
void Output::drop_sent_prefix() {
  constexpr std::uint64_t most_kept = 64 * 1024;
  Segment& front = segments_.front();
  if (!front.is_own_memory() || front.offset <= most_kept || front.offset < front.bytes.size() / 2) return;
  front.bytes.erase(0, std::exchange(front.offset, 0));
}

// A small string is kept for the next response; anything larger goes back to the allocator.
void Output::forget_sent() {
  constexpr std::size_t kept_capacity = 4096;
  if (segments_.size() == 1 && segments_.front().is_own_memory() &&
      segments_.front().bytes.capacity() <= kept_capacity) {
    segments_.front().bytes.clear();
    segments_.front().offset = 0;
  } else {
    segments_.clear();
  }
  spool_.forget();
}

Sent Output::send_segment(Segment& front, bool more_follows, net::Transport& transport, std::uint64_t& bytes_sent) {
  std::uint64_t left = front.pending();
  while (left > 0) {
    ssize_t count;
    if (front.file) {
      count = transport.send_file(front.file->get(), front.offset, left, more_follows);
      if (count == 0) return Sent::peer_gone;  // the file became shorter than announced: the response cannot be kept
    } else {
      count = transport.send(front.unsent(), more_follows);
    }
    if (count < 0) return net::would_block() ? Sent::some : Sent::peer_gone;
    front.offset += static_cast<std::uint64_t>(count);
    left -= static_cast<std::uint64_t>(count);
    if (front.file) front.left = left;
    bytes_sent += static_cast<std::uint64_t>(count);
  }
  return Sent::all;
}

Sent Output::flush_with(net::Transport& transport, std::string_view bytes, const Keeper* keeper,
                        std::uint64_t& bytes_sent) {
  bool simple = segments_.empty() || (segments_.size() == 1 && !segments_.front().file);
  if (!simple) {
    append_rest(bytes, keeper);
    return flush(transport, bytes_sent);
  }
  std::string_view before;
  if (!segments_.empty()) before = segments_.front().unsent();
  std::array<iovec, 2> parts = {iovec{const_cast<char*>(before.data()), before.size()},
                                iovec{const_cast<char*>(bytes.data()), bytes.size()}};
  ssize_t count = transport.send(parts);
  if (count < 0 && !net::would_block()) return Sent::peer_gone;
  std::size_t taken = count < 0 ? 0 : static_cast<std::size_t>(count);
  bytes_sent += taken;
  std::size_t from_before = std::min(taken, before.size());
  if (!segments_.empty()) segments_.front().offset += from_before;
  if (taken >= before.size())
    forget_sent();
  else
    drop_sent_prefix();
  std::string_view rest = bytes.substr(taken - from_before);
  if (taken < before.size()) {
    // A record of a layer that was refused may span both: they stay together, whatever goes to the file.
    constexpr std::size_t largest_record = 16 * 1024;
    std::string_view near = rest.substr(0, largest_record);
    tail().append(near);
    rest.remove_prefix(near.size());
  }
  append_rest(rest, keeper);
  return is_empty() ? Sent::all : Sent::some;
}

// Many bytes stay where they are; what would go to disk is no burden for memory there.
void Output::append_rest(std::string_view rest, const Keeper* keeper) {
  constexpr std::size_t worth_keeping = 32 * 1024;
  if (!keeper || rest.size() < worth_keeping || spools(rest.size())) return append(rest);
  segments_.push_back({.bytes = {}, .file = nullptr, .kept = rest, .owner = keeper->keep()});
}

bool Output::is_empty() const { return pending() == 0; }

std::uint64_t Output::pending() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.pending();
  return sum;
}

std::size_t Output::memory_pending() const {
  std::size_t sum = 0;
  for (const Segment& segment : segments_)
    if (!segment.file) sum += segment.pending();
  return sum;
}

void Output::clear() {
  segments_.clear();
  spool_.forget();
}

}  // namespace worker
