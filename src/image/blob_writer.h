// image::BlobWriter: compresses what it is given into a file, and knows the digests of both sides.
#pragma once

#include <memory>
#include <string_view>

#include "app/digest.h"
#include "image/layer.h"

namespace image {

class BlobWriter {
 public:
  // `file` is borrowed.
  explicit BlobWriter(const base::Fd& file);
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;
  ~BlobWriter();

  base::Result<void> write(std::string_view bytes);
  // Ends the blob and tells what it is.
  base::Result<Layer> finish(std::string name);

 private:
  struct Stream;  // zlib's
  base::Result<void> compress(std::string_view bytes, int flush);

  const base::Fd& file_;
  std::unique_ptr<Stream> stream_;
  app::Digest tar_, blob_;
  std::uint64_t size_ = 0;
};

}  // namespace image
