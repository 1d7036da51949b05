#include "edge/client_output.h"

#include <algorithm>

#include "base/memory.h"

namespace edge {

void ClientOutput::watch(bool on) {
  if (watching_ == on) return;
  watching_ = on;
  (void)loop_.modify(transport_.descriptor(), events(), owner_);  // a known descriptor: cannot fail
}

// What a send came to; false when the client is gone.
bool ClientOutput::accept(ssize_t count, std::size_t& taken) {
  if (count < 0 && !net::would_block()) {
    broken_ = true;
    return false;
  }
  if (count > 0 || !watching_) note_progress();
  taken = count > 0 ? static_cast<std::size_t>(count) : 0;
  return true;
}

void ClientOutput::drop_sent() {
  if (sent_ < bytes_.size() && sent_ <= kHighWater) return;  // moving the rest costs, so not after every piece
  bytes_.erase(0, sent_);
  sent_ = 0;
}

bool ClientOutput::flush(More more) {
  if (broken_) return false;
  if (!bytes_.empty()) {
    std::size_t taken = 0;
    auto left = std::string_view(bytes_).substr(sent_);
    if (!accept(transport_.send(left, more == More::follows), taken)) return false;
    sent_ += taken;
    drop_sent();
  }
  watch(!bytes_.empty() || room_wanted_);
  return bytes_.empty();
}

void ClientOutput::write_through(std::string_view more) {
  if (broken_) return;
  std::size_t taken = 0, pending = bytes_.size() - sent_;
  if (!watching_) {
    iovec parts[2] = {{bytes_.data() + sent_, pending}, {const_cast<char*>(more.data()), more.size()}};
    if (!accept(transport_.send(parts), taken)) return;
  }
  sent_ += std::min(taken, pending);
  drop_sent();
  if (taken == pending + more.size()) return;
  bytes_ += more.substr(taken > pending ? taken - pending : 0);
  watch(true);
}

void ClientOutput::want_room() {
  room_wanted_ = true;
  if (!watching_) note_progress();
  watching_ = false;  // asked anew each time: room that is there already is told at once
  watch(true);
}

bool ClientOutput::take_wanted_room() { return !is_congested() && std::exchange(room_wanted_, false); }

void ClientOutput::shrink(std::size_t spare) { base::give_back(bytes_, spare); }

}  // namespace edge
