// An index.json, a manifest or a configuration of an image, one a record.
#include "image/foreign_manifest.h"

#include "support.h"

namespace {

bool is_file_name(const std::string& digest) {
  return digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == digest.npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    if (auto digest = image::parse_index(record)) fuzz::require(is_file_name(*digest), "a digest is a file's name");
    if (auto manifest = image::parse_manifest(record)) {
      fuzz::require(is_file_name(manifest->config), "a digest is a file's name");
      for (const auto& layer : manifest->layers) fuzz::require(is_file_name(layer), "a digest is a file's name");
    }
    if (auto fits = image::check_platform(record); !fits)
      fuzz::require(fits.error().kind() == base::Kind::unsupported, "another machine's is told");
  });
  return 0;
}
