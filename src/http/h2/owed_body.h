// http::h2::OwedBody: what an answer's body still owes the peer, in order: copies, bytes that somebody keeps alive, and
// sources that are read when they can be sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/h2/body_source.h"

namespace http::h2 {

class OwedBody {
 public:
  void add(std::string_view bytes);
  void add(std::string_view bytes, std::shared_ptr<const void> keeper);
  void add(std::unique_ptr<BodySource> source, std::uint64_t size);
  // What is left of the last piece if it was given without a keeper: it becomes a copy, or gets one.
  std::uint64_t unkept() const;
  void copy_last();
  void keep_last(std::shared_ptr<const void> keeper);

  std::uint64_t size() const { return size_; }
  // Moves exactly `count` bytes, at most size(), to the end of `out`. False: a source failed; `out` is as before.
  bool take(std::size_t count, std::string& out);
  void clear();

 private:
  struct Piece {
    enum class Kind : std::uint8_t { copy, kept, source } kind = Kind::copy;
    std::string copy;
    std::string_view kept;
    std::shared_ptr<const void> keeper;
    std::unique_ptr<BodySource> source;
    std::size_t offset = 0;  // of the copy: gone already
    std::uint64_t left = 0;
  };

  bool take_from(Piece& piece, std::size_t count, std::string& out);
  void forget_taken();

  std::vector<Piece> pieces_;
  std::size_t first_ = 0;  // the ones before are gone
  std::uint64_t size_ = 0;
};

}  // namespace http::h2
