#include "websocket/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace websocket {
namespace {

// What a sync flush ends with; left out on the wire (RFC 7692 section 7.2.1).
constexpr std::string_view flush_mark("\x00\x00\xff\xff", 4);
constexpr int level = Z_BEST_SPEED;
constexpr std::size_t least_room = 256, most_room = 64 * 1024;

Bytef* bytes_of(std::string_view text) { return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data())); }

// Lets zlib write up to `room` bytes behind the text; gives zlib's answer.
template <typename Step>
int write_behind(std::string& out, std::size_t room, z_stream& zlib, Step&& step) {
  int answer = Z_OK;
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + room, [&](char* text, std::size_t) {  // libstdc++ 12 gives the capacity
    zlib.next_out = reinterpret_cast<Bytef*>(text + before);
    zlib.avail_out = static_cast<uInt>(room);
    answer = step();
    return before + room - zlib.avail_out;
  });
  return answer;
}

}  // namespace

// --- compressing ----------------------------------------------------------------------------------------------------

void Compressor::End::operator()(z_stream_s* zlib) const {
  deflateEnd(zlib);
  delete zlib;
}

bool Compressor::begin() {
  if (zlib_) return true;
  auto zlib = std::make_unique<z_stream>();
  int memory_level = std::max(stream_.bits - 7, 1);  // as many hash entries as suit the window
  int done = deflateInit2(zlib.get(), level, Z_DEFLATED, -stream_.bits, memory_level, Z_DEFAULT_STRATEGY);
  if (done == Z_OK) zlib_.reset(zlib.release());
  return done == Z_OK;
}

bool Compressor::compress(std::string_view message, std::string& out) {
  if (message.size() > std::numeric_limits<uInt>::max() || !begin()) return false;
  zlib_->next_in = bytes_of(message);
  zlib_->avail_in = static_cast<uInt>(message.size());
  std::size_t room = std::clamp(message.size() / 2, least_room, most_room);
  do {
    write_behind(out, room, *zlib_, [&] { return deflate(zlib_.get(), Z_SYNC_FLUSH); });
  } while (zlib_->avail_out == 0);
  out.resize(out.size() - flush_mark.size());
  if (!stream_.keeps_context) deflateReset(zlib_.get());
  return true;
}

// --- decompressing --------------------------------------------------------------------------------------------------

void Decompressor::End::operator()(z_stream_s* zlib) const {
  inflateEnd(zlib);
  delete zlib;
}

bool Decompressor::begin() {
  if (zlib_) return true;
  auto zlib = std::make_unique<z_stream>();
  if (inflateInit2(zlib.get(), -stream_.bits) != Z_OK) return false;
  zlib_.reset(zlib.release());
  return true;
}

Decompressor::Outcome Decompressor::add(std::string_view piece, std::string& into, std::size_t limit) {
  if (!begin()) return Outcome::too_large;  // for the memory that is left
  constexpr std::size_t most_at_once = std::numeric_limits<uInt>::max();
  for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), most_at_once))) {
    zlib_->next_in = bytes_of(piece);
    zlib_->avail_in = static_cast<uInt>(std::min(piece.size(), most_at_once));
    if (Outcome outcome = expand(into, limit); outcome != Outcome::fine) return outcome;
  }
  return Outcome::fine;
}

Decompressor::Outcome Decompressor::expand(std::string& into, std::size_t limit) {
  for (;;) {
    // One byte beyond the limit tells a message that is too large from one that just fits.
    std::size_t left = limit - std::min(limit, into.size());
    std::size_t wanted = std::clamp(2 * into.size(), least_room, most_room);
    std::size_t room = left < wanted ? left + 1 : wanted;
    int answer = write_behind(into, room, *zlib_, [&] { return inflate(zlib_.get(), Z_SYNC_FLUSH); });
    if (into.size() > limit) return Outcome::too_large;
    if (answer == Z_STREAM_END) {
      // What follows a final block in the same message is another stream (section 7.2.3.5).
      inflateReset(zlib_.get());
      ended_ = true;
      if (zlib_->avail_in == 0) return Outcome::fine;
      continue;
    }
    ended_ = false;
    if (answer != Z_OK && answer != Z_BUF_ERROR) return Outcome::corrupt;
    if (zlib_->avail_out > 0) return Outcome::fine;  // all that came is expanded
  }
}

Decompressor::Outcome Decompressor::finish(std::string& into, std::size_t limit) {
  if (std::exchange(ended_, false)) return Outcome::fine;  // a final block needs no flush
  Outcome outcome = add(flush_mark, into, limit);
  if (outcome == Outcome::fine && !stream_.keeps_context) inflateReset(zlib_.get());
  return outcome;
}

}  // namespace websocket
