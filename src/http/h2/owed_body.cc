#include "http/h2/owed_body.h"

#include <algorithm>

#include "base/memory.h"

namespace http::h2 {
namespace {

constexpr std::size_t kept_capacity = 4096;  // of a string, for the next answer

}  // namespace

void OwedBody::add(std::string_view bytes) {
  if (bytes.empty()) return;
  if (pieces_.empty() || pieces_.back().kind != Piece::Kind::copy) pieces_.emplace_back();
  Piece& piece = pieces_.back();
  if (piece.offset > kept_capacity && piece.offset > piece.left) {  // a body that never runs dry must not grow
    piece.copy.erase(0, piece.offset);
    piece.offset = 0;
  }
  piece.copy += bytes;
  piece.left += bytes.size();
  size_ += bytes.size();
}

void OwedBody::add(std::string_view bytes, std::shared_ptr<const void> keeper) {
  if (bytes.empty()) return;
  Piece& piece = pieces_.emplace_back();
  piece.kind = Piece::Kind::kept;
  piece.kept = bytes;
  piece.keeper = std::move(keeper);
  piece.left = bytes.size();
  size_ += bytes.size();
}

void OwedBody::add(std::unique_ptr<BodySource> source, std::uint64_t size) {
  if (size == 0) return;
  Piece& piece = pieces_.emplace_back();
  piece.kind = Piece::Kind::source;
  piece.source = std::move(source);
  piece.left = size;
  size_ += size;
}

std::uint64_t OwedBody::unkept() const {
  if (first_ == pieces_.size()) return 0;
  const Piece& piece = pieces_.back();
  return piece.kind == Piece::Kind::kept && !piece.keeper ? piece.left : 0;
}

void OwedBody::keep_last(std::shared_ptr<const void> keeper) {
  if (unkept() > 0) pieces_.back().keeper = std::move(keeper);
}

void OwedBody::copy_last() {
  if (unkept() == 0) return;
  Piece& piece = pieces_.back();
  const std::string_view rest = piece.kept.substr(piece.kept.size() - static_cast<std::size_t>(piece.left));
  piece.copy.assign(rest);
  piece.kept = {};
  piece.offset = 0;
  piece.kind = Piece::Kind::copy;
}

bool OwedBody::take(std::size_t count, std::string& out) {
  const std::size_t before = out.size();
  out.reserve(before + count);
  while (count > 0) {
    Piece& piece = pieces_[first_];
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, piece.left));
    if (!take_from(piece, part, out)) {
      out.resize(before);
      return false;
    }
    count -= part;
    size_ -= part;
    piece.left -= part;
    if (piece.left == 0) {
      piece.keeper.reset();
      piece.source.reset();
      ++first_;
    }
  }
  forget_taken();
  return true;
}

bool OwedBody::take_from(Piece& piece, std::size_t count, std::string& out) {
  if (piece.kind == Piece::Kind::kept) {
    out += piece.kept.substr(piece.kept.size() - static_cast<std::size_t>(piece.left), count);
  } else if (piece.kind == Piece::Kind::source) {
    const std::size_t before = out.size();
    out.resize(before + count);
    for (std::size_t at = before; at < out.size();) {
      auto got = piece.source->read({out.data() + at, out.size() - at});
      if (!got || *got == 0) return false;
      at += std::min(*got, out.size() - at);
    }
  } else {
    out.append(piece.copy, piece.offset, count);
    piece.offset += count;
  }
  return true;
}

// Pieces that are gone leave when all are, or when they are many; a small string stays for the next answer.
void OwedBody::forget_taken() {
  if (size_ == 0) return clear();
  constexpr std::size_t many = 64;
  if (first_ < many) return;
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

void OwedBody::clear() {
  size_ = 0;
  first_ = 0;
  const bool reusable = pieces_.size() == 1 && pieces_.front().kind == Piece::Kind::copy;
  if (!reusable) return pieces_.clear();
  Piece& piece = pieces_.front();
  base::give_back(piece.copy, kept_capacity);
  piece.offset = 0;
  piece.left = 0;
}

}  // namespace http::h2
