#include "environment/vm/bzimage.h"

#include <cstdint>

namespace environment {
namespace {

constexpr std::size_t kSetupSectors = 0x1F1, kMagic = 0x202, kVersion = 0x206, kPayloadOffset = 0x248,
                      kPayloadLength = 0x24C, kHeaderEnd = 0x250, kSector = 512;
constexpr std::uint32_t kWithPayload = 0x0208;

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); i++)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

}  // namespace

std::optional<std::string_view> compressed_kernel(std::string_view image) {
  if (image.size() < kHeaderEnd || image.substr(kMagic, 4) != "HdrS") return std::nullopt;
  if (little_endian(image.substr(kVersion, 2)) < kWithPayload) return std::nullopt;
  std::size_t sectors = little_endian(image.substr(kSetupSectors, 1));
  auto begin = ((sectors ? sectors : 4) + 1) * kSector + little_endian(image.substr(kPayloadOffset, 4));
  std::size_t length = little_endian(image.substr(kPayloadLength, 4));
  if (begin > image.size() || length > image.size() - begin) return std::nullopt;
  return image.substr(begin, length);
}

}  // namespace environment
