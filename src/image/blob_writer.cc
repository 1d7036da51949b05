#include "image/blob_writer.h"

#include <zlib.h>

#include <array>

namespace image {

struct BlobWriter::Stream {
  z_stream z{};
  bool ready = false;
  ~Stream() {
    if (ready) ::deflateEnd(&z);
  }
};

// RFC 1952: with 16 added to the window bits zlib writes gzip's header, without a name and with the time 0.
BlobWriter::BlobWriter(const base::Fd& file) : file_(file), stream_(std::make_unique<Stream>()) {
  stream_->ready =
      ::deflateInit2(&stream_->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

BlobWriter::~BlobWriter() = default;

base::Result<void> BlobWriter::write(std::string_view bytes) {
  tar_.add(bytes);
  return compress(bytes, Z_NO_FLUSH);
}

base::Result<void> BlobWriter::compress(std::string_view bytes, int flush) {
  if (!stream_->ready) return base::fail(base::Kind::internal, "compress a layer: out of memory");
  auto& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::array<char, 1 << 16> out;
  do {
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = out.size();
    if (::deflate(&z, flush) == Z_STREAM_ERROR) return base::fail(base::Kind::internal, "compress a layer");
    std::string_view made(out.data(), out.size() - z.avail_out);
    blob_.add(made);
    size_ += made.size();
    if (auto written = base::write_all(file_.get(), made); !written)
      return base::wrap(written.error(), "write a layer");
  } while (z.avail_out == 0);
  return {};
}

base::Result<Layer> BlobWriter::finish(std::string name) {
  if (auto ended = compress({}, Z_FINISH); !ended) return std::unexpected(ended.error());
  return Layer{.name = std::move(name), .digest = blob_.hex(), .diff_id = tar_.hex(), .size = size_};
}

}  // namespace image
