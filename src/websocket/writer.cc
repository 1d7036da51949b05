#include "websocket/writer.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"

namespace websocket {
namespace {

// Below this size compressing costs more than it saves.
constexpr std::size_t least_compressed = 64;
constexpr std::size_t spare_memory = 4096;

std::size_t append_big_endian(char* at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; i++) at[i] = static_cast<char>(number >> (8 * (size - 1 - i)));
  return size;
}

// Bytes written to `header`, without a key.
std::size_t make_header(char* header, std::uint8_t first, std::size_t length) {
  header[0] = static_cast<char>(first);
  if (length < 126) {
    header[1] = static_cast<char>(length);
    return 2;
  }
  std::size_t extended = length <= 0xffff ? 2 : 8;
  header[1] = extended == 2 ? 126 : 127;
  return 2 + append_big_endian(header + 2, length, extended);
}

std::uint8_t first_byte(Opcode opcode) {
  return static_cast<std::uint8_t>(fin_bit | static_cast<std::uint8_t>(opcode));
}

}  // namespace

// Keys that nobody can foresee (RFC 6455 section 10.3), many at a time.
class Writer::KeySource {
 public:
  MaskKey next() {
    if (left_ == 0) {
      if (::getrandom(keys_.data(), sizeof keys_, 0) != sizeof keys_) base::panic("getrandom gave no bytes");
      left_ = keys_.size();
    }
    return keys_[--left_];
  }

 private:
  std::array<MaskKey, 32> keys_;
  std::size_t left_ = 0;
};

Writer::Writer(Role role, std::optional<DeflateStream> deflate) {
  if (deflate) compressor_.emplace(*deflate);
  if (role == Role::client) keys_ = std::make_unique<KeySource>();
}

Writer::~Writer() = default;

bool Writer::is_compressed(std::size_t size) const { return compressor_ && size >= least_compressed; }

void Writer::message(Opcode kind, std::string_view payload, std::string& out) {
  if (is_compressed(payload.size()) && compressor_->compress(payload, compressed_)) {
    frame(first_byte(kind) | rsv1_bit, compressed_, out);
    return base::give_back(compressed_, spare_memory);
  }
  frame(first_byte(kind), payload, out);
}

bool Writer::begin_message(Opcode kind, std::size_t size, std::string& out) {
  if (keys_ || is_compressed(size)) return false;
  char header[most_header_bytes];
  out.append(header, make_header(header, first_byte(kind), size));
  return true;
}

void Writer::control(Opcode kind, std::string_view payload, std::string& out) {
  frame(first_byte(kind), payload.substr(0, most_control_bytes), out);
}

void Writer::close(CloseCode code, std::string_view reason, std::string& out) {
  if (code == close::no_code) return frame(first_byte(Opcode::close), {}, out);
  char payload[most_control_bytes];
  std::size_t size = append_big_endian(payload, code, 2);
  std::size_t fits = std::min(reason.size(), most_control_bytes - size);
  while (fits > 0 && fits < reason.size() && (static_cast<unsigned char>(reason[fits]) & 0xc0) == 0x80) fits--;
  reason.copy(payload + size, fits);
  frame(first_byte(Opcode::close), {payload, size + fits}, out);
}

void Writer::frame(std::uint8_t first, std::string_view payload, std::string& out) {
  char header[most_header_bytes];
  std::size_t header_size = make_header(header, first, payload.size());
  MaskKey key = 0;
  if (keys_) {
    key = keys_->next();
    header[1] = static_cast<char>(static_cast<std::uint8_t>(header[1]) | mask_bit);
    std::memcpy(header + header_size, &key, sizeof key);
    header_size += sizeof key;
  }
  const std::size_t before = out.size(), after = before + header_size + payload.size();
  if (after > out.capacity()) out.reserve(after + after / 2);
  out.resize_and_overwrite(after, [&](char* text, std::size_t) {
    std::memcpy(text + before, header, header_size);
    copy_masked(text + before + header_size, payload.data(), payload.size(), key);
    return after;
  });
}

void Writer::release_memory() {
  if (compressor_) compressor_->release();
}

}  // namespace websocket
