#include "http/compressor.h"

#include <dlfcn.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>

#if __has_include(<brotli/encode.h>)
#include <brotli/encode.h>
#define SERAI_HAS_BROTLI 1
#endif
#if __has_include(<zstd.h>)
#include <zstd.h>
#define SERAI_HAS_ZSTD 1
#endif

namespace http {
namespace {

// Levels that answer soon: a text of 64 KiB takes about 2 ms with gzip and brotli and 0.2 ms with zstd.
constexpr int gzip_level = 5;
// Streams that may last for long get less memory.
constexpr int stream_window = 14;
constexpr std::size_t least_room = 512, most_room = 64 * 1024;

// The window that holds the whole body, in bits.
int window_bits(std::optional<std::uint64_t> size, int least, int most) {
  if (!size) return std::min(stream_window, most);
  return std::clamp(static_cast<int>(std::bit_width(*size)), least, most);
}

std::size_t room_for(std::string_view bytes) { return std::clamp(bytes.size() / 2, least_room, most_room); }

// Lets `write` put up to `room` bytes behind the text; it says how many it has put there.
template <typename Write>
void write_behind(std::string& out, std::size_t room, Write&& write) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + room, [&](char* text, std::size_t) { return before + write(text + before, room); });
}

// --- gzip (RFC 1952) ------------------------------------------------------------------------------------------------

class Gzip final : public Compressor {
 public:
  explicit Gzip(int bits) {
    constexpr int with_gzip_header = 16;
    const int memory_level = std::clamp(bits - 7, 1, 8);  // as many hash entries as suit the window
    ready_ =
        deflateInit2(&zlib_, gzip_level, Z_DEFLATED, bits + with_gzip_header, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override {
    if (ready_) deflateEnd(&zlib_);
  }
  bool is_ready() const { return ready_; }

  bool add(std::string_view bytes, Then then, std::string& out) override {
    constexpr std::size_t most = 1 << 30;  // zlib counts in 32 bits
    for (; bytes.size() > most; bytes.remove_prefix(most))
      if (!add_some(bytes.substr(0, most), Z_NO_FLUSH, out)) return false;
    return add_some(bytes, then == Then::end ? Z_FINISH : then == Then::flush ? Z_SYNC_FLUSH : Z_NO_FLUSH, out);
  }

 private:
  bool add_some(std::string_view bytes, int flush, std::string& out) {
    zlib_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
    zlib_.avail_in = static_cast<uInt>(bytes.size());
    int done = Z_OK;
    do {
      write_behind(out, room_for(bytes), [&](char* place, std::size_t room) {
        zlib_.next_out = reinterpret_cast<Bytef*>(place);
        zlib_.avail_out = static_cast<uInt>(room);
        done = deflate(&zlib_, flush);
        return room - zlib_.avail_out;
      });
      if (done == Z_STREAM_ERROR) return false;
    } while (zlib_.avail_out == 0);
    return flush != Z_FINISH || done == Z_STREAM_END;
  }

  z_stream zlib_{};
  bool ready_ = false;
};

// --- libraries that may be missing ----------------------------------------------------------------------------------

#if SERAI_HAS_BROTLI || SERAI_HAS_ZSTD
class Library {
 public:
  explicit Library(const char* name) : handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)), whole_(handle_ != nullptr) {}
  // Stays loaded: objects of it may live as long as the process.
  template <typename Function>
  void find(Function*& function, const char* name) {
    function = handle_ ? reinterpret_cast<Function*>(::dlsym(handle_, name)) : nullptr;
    whole_ = whole_ && function;
  }
  bool is_whole() const { return whole_; }

 private:
  void* handle_;
  bool whole_;
};
#define SERAI_FIND(library, function) library.find(this->function, #function)
#endif

// --- brotli (RFC 7932) ----------------------------------------------------------------------------------------------

#if SERAI_HAS_BROTLI
struct BrotliLibrary {
  decltype(&::BrotliEncoderCreateInstance) BrotliEncoderCreateInstance;
  decltype(&::BrotliEncoderDestroyInstance) BrotliEncoderDestroyInstance;
  decltype(&::BrotliEncoderSetParameter) BrotliEncoderSetParameter;
  decltype(&::BrotliEncoderCompressStream) BrotliEncoderCompressStream;
  decltype(&::BrotliEncoderHasMoreOutput) BrotliEncoderHasMoreOutput;
  bool is_whole;

  BrotliLibrary() {
    Library library("libbrotlienc.so.1");
    SERAI_FIND(library, BrotliEncoderCreateInstance);
    SERAI_FIND(library, BrotliEncoderDestroyInstance);
    SERAI_FIND(library, BrotliEncoderSetParameter);
    SERAI_FIND(library, BrotliEncoderCompressStream);
    SERAI_FIND(library, BrotliEncoderHasMoreOutput);
    is_whole = library.is_whole();
  }
};

const BrotliLibrary& brotli() {
  static const BrotliLibrary library;
  return library;
}

class Brotli final : public Compressor {
 public:
  Brotli(int bits, std::optional<std::uint64_t> size)
      : state_(brotli().BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
    constexpr std::uint32_t quality = 4;  // of 11: from 5 on it takes twice the time
    if (!state_) return;
    set(BROTLI_PARAM_QUALITY, quality);
    set(BROTLI_PARAM_LGWIN, static_cast<std::uint32_t>(bits));
    if (size) set(BROTLI_PARAM_SIZE_HINT, static_cast<std::uint32_t>(std::min<std::uint64_t>(*size, 1 << 30)));
  }
  Brotli(const Brotli&) = delete;
  Brotli& operator=(const Brotli&) = delete;
  ~Brotli() override {
    if (state_) brotli().BrotliEncoderDestroyInstance(state_);
  }
  bool is_ready() const { return state_ != nullptr; }

  bool add(std::string_view bytes, Then then, std::string& out) override {
    const BrotliEncoderOperation operation = then == Then::end     ? BROTLI_OPERATION_FINISH
                                             : then == Then::flush ? BROTLI_OPERATION_FLUSH
                                                                   : BROTLI_OPERATION_PROCESS;
    std::size_t left = bytes.size();
    auto* next = reinterpret_cast<const std::uint8_t*>(bytes.data());
    bool fine = true;
    do {
      write_behind(out, room_for(bytes), [&](char* place, std::size_t room) {
        std::size_t room_left = room;
        auto* to = reinterpret_cast<std::uint8_t*>(place);
        fine = brotli().BrotliEncoderCompressStream(state_, operation, &left, &next, &room_left, &to, nullptr);
        return room - room_left;
      });
    } while (fine && (left > 0 || brotli().BrotliEncoderHasMoreOutput(state_)));
    return fine;
  }

 private:
  void set(BrotliEncoderParameter parameter, std::uint32_t value) {
    brotli().BrotliEncoderSetParameter(state_, parameter, value);
  }

  BrotliEncoderState* state_;
};
#endif

// --- zstd (RFC 8878) ------------------------------------------------------------------------------------------------

#if SERAI_HAS_ZSTD
struct ZstdLibrary {
  decltype(&::ZSTD_createCCtx) ZSTD_createCCtx;
  decltype(&::ZSTD_freeCCtx) ZSTD_freeCCtx;
  decltype(&::ZSTD_CCtx_setParameter) ZSTD_CCtx_setParameter;
  decltype(&::ZSTD_CCtx_setPledgedSrcSize) ZSTD_CCtx_setPledgedSrcSize;
  decltype(&::ZSTD_compressStream2) ZSTD_compressStream2;
  decltype(&::ZSTD_isError) ZSTD_isError;
  bool is_whole;

  ZstdLibrary() {
    Library library("libzstd.so.1");
    SERAI_FIND(library, ZSTD_createCCtx);
    SERAI_FIND(library, ZSTD_freeCCtx);
    SERAI_FIND(library, ZSTD_CCtx_setParameter);
    SERAI_FIND(library, ZSTD_CCtx_setPledgedSrcSize);
    SERAI_FIND(library, ZSTD_compressStream2);
    SERAI_FIND(library, ZSTD_isError);
    is_whole = library.is_whole();
  }
};

const ZstdLibrary& zstd() {
  static const ZstdLibrary library;
  return library;
}

class Zstd final : public Compressor {
 public:
  Zstd(int bits, std::optional<std::uint64_t> size) : context_(zstd().ZSTD_createCCtx()) {
    constexpr int level = 3;
    if (!context_) return;
    zstd().ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
    zstd().ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, bits);
    if (size) zstd().ZSTD_CCtx_setPledgedSrcSize(context_, *size);
  }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() override { zstd().ZSTD_freeCCtx(context_); }
  bool is_ready() const { return context_ != nullptr; }

  bool add(std::string_view bytes, Then then, std::string& out) override {
    const ZSTD_EndDirective directive = then == Then::end     ? ZSTD_e_end
                                        : then == Then::flush ? ZSTD_e_flush
                                                              : ZSTD_e_continue;
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    std::size_t answer = 0;  // bytes that are still to come, unless it is an error
    do {
      write_behind(out, room_for(bytes), [&](char* place, std::size_t room) {
        ZSTD_outBuffer output{place, room, 0};
        answer = zstd().ZSTD_compressStream2(context_, &output, &input, directive);
        return output.pos;
      });
      if (zstd().ZSTD_isError(answer)) return false;
    } while (input.pos < input.size || (then != Then::more && answer > 0));
    return true;
  }

 private:
  ZSTD_CCtx* context_;
};
#endif

template <typename Kind, typename... Arguments>
std::unique_ptr<Compressor> make(Arguments... arguments) {
  auto made = std::make_unique<Kind>(arguments...);
  if (!made->is_ready()) return nullptr;
  return made;
}

constexpr std::array<std::string_view, 4> names = {"identity", "gzip", "br", "zstd"};

}  // namespace

std::string_view coding_name(Coding coding) { return names[static_cast<std::size_t>(coding)]; }

std::optional<Coding> find_coding(std::string_view name) {
  auto place = std::ranges::find(names, name);
  if (place == names.end()) return std::nullopt;
  return static_cast<Coding>(place - names.begin());
}

bool is_available(Coding coding) {
#if SERAI_HAS_BROTLI
  if (coding == Coding::br) return brotli().is_whole;
#endif
#if SERAI_HAS_ZSTD
  if (coding == Coding::zstd) return zstd().is_whole;
#endif
  return coding == Coding::gzip || coding == Coding::identity;
}

std::unique_ptr<Compressor> Compressor::create(Coding coding, std::optional<std::uint64_t> size) {
  if (!is_available(coding)) return nullptr;
#if SERAI_HAS_BROTLI
  if (coding == Coding::br) return make<Brotli>(window_bits(size, 10, 18), size);
#endif
#if SERAI_HAS_ZSTD
  if (coding == Coding::zstd) return make<Zstd>(window_bits(size, 10, 19), size);
#endif
  return coding == Coding::gzip ? make<Gzip>(window_bits(size, 9, 15)) : nullptr;
}

std::size_t Compressor::memory_of(Coding coding, std::optional<std::uint64_t> size) {
  constexpr std::size_t kilobyte = 1024;
  const auto window = std::size_t{1} << window_bits(size, 10, 19);
  switch (coding) {
    case Coding::gzip:
      return 8 * kilobyte + 8 * std::min(window, 32 * kilobyte);
    case Coding::br:
      return 700 * kilobyte + 3 * window;
    case Coding::zstd:
      return 400 * kilobyte + 6 * window;
    case Coding::identity:
      break;
  }
  return 0;
}

}  // namespace http
