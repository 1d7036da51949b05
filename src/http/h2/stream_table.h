// http::h2::StreamTable: the streams of one connection by number, and spare ones to be used again.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "http/h2/stream.h"

namespace http::h2 {

class StreamTable {
 public:
  // Null when there is none. At most a few hundred numbers side by side: looking at them all is quickest.
  Stream* find(StreamId id) const {
    const auto at = std::find(ids_.begin(), ids_.end(), id);
    return at == ids_.end() ? nullptr : streams_[static_cast<std::size_t>(at - ids_.begin())].get();
  }

  Stream& open(StreamId id) {
    if (spare_.empty()) {
      streams_.push_back(std::make_unique<Stream>());
    } else {
      streams_.push_back(std::move(spare_.back()));
      spare_.pop_back();
    }
    ids_.push_back(id);
    Stream& stream = *streams_.back();
    stream.id = id;
    stream.is_open = true;
    return stream;
  }

  void close(Stream& stream) {
    const auto at = static_cast<std::size_t>(std::find(ids_.begin(), ids_.end(), stream.id) - ids_.begin());
    std::swap(ids_[at], ids_.back());
    std::swap(streams_[at], streams_.back());
    stream.clear();
    if (spare_.size() < most_spare) spare_.push_back(std::move(streams_.back()));
    ids_.pop_back();
    streams_.pop_back();
  }

  std::size_t size() const { return ids_.size(); }
  void drop_spare() {
    spare_.clear();
    spare_.shrink_to_fit();
    streams_.shrink_to_fit();
    ids_.shrink_to_fit();
  }

 private:
  static constexpr std::size_t most_spare = 32;

  std::vector<StreamId> ids_;
  std::vector<std::unique_ptr<Stream>> streams_;  // in the order of ids_
  std::vector<std::unique_ptr<Stream>> spare_;    // cleared
};

}  // namespace http::h2
