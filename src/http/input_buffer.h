// http::InputBuffer: the bytes a connection has received and not used up yet, in one piece, as codecs want them.
//
// Views into it stay valid across `consume`, until the next `space`; an empty buffer can give its memory back.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace http {

class InputBuffer {
 public:
  // Room for at least `least` bytes behind what is there; may move what is there.
  std::span<char> space(std::size_t least);
  // `count` bytes were written into the space.
  void commit(std::size_t count) { end_ += count; }
  std::string_view view() const { return {memory_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t count) { begin_ += count; }
  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  // Gives the memory back when nothing is in it: idle connections hold none.
  void release_if_empty();
  // Gives away the memory that all earlier views point into; bytes not consumed go on in memory of their own.
  std::unique_ptr<char[]> detach();

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

inline std::span<char> InputBuffer::space(std::size_t least) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ - end_ < least) {
    std::size_t wanted = std::max(size() + least, std::size_t{4096});
    if (wanted <= capacity_) {
      std::memmove(memory_.get(), memory_.get() + begin_, size());
    } else {
      wanted = std::max(wanted, 2 * capacity_);
      auto larger = std::make_unique_for_overwrite<char[]>(wanted);
      if (!empty()) std::memcpy(larger.get(), memory_.get() + begin_, size());
      memory_ = std::move(larger);
      capacity_ = wanted;
    }
    end_ = size(), begin_ = 0;
  }
  return {memory_.get() + end_, capacity_ - end_};
}

inline void InputBuffer::release_if_empty() {
  if (!empty()) return;
  memory_.reset();
  capacity_ = begin_ = end_ = 0;
}

inline std::unique_ptr<char[]> InputBuffer::detach() {
  std::unique_ptr<char[]> old = std::move(memory_);
  std::string_view rest{old.get() + begin_, end_ - begin_};
  capacity_ = begin_ = end_ = 0;
  if (rest.empty()) return old;
  std::memcpy(space(rest.size()).data(), rest.data(), rest.size());
  commit(rest.size());
  return old;
}

}  // namespace http
