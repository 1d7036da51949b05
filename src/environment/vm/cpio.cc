#include "environment/vm/cpio.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iterator>

namespace environment {
namespace {

constexpr std::size_t kAlignment = 4, kBlock = 512;
constexpr const char* kTrailer = "TRAILER!!!";

void pad(std::string& bytes, std::size_t to) { bytes.append((to - bytes.size() % to) % to, '\0'); }

}  // namespace

void CpioArchive::add_folder(const std::string& name) { add(name, S_IFDIR | 0755, "", {}); }

void CpioArchive::add_file(const std::string& name, std::string_view content, unsigned mode) {
  add(name, S_IFREG | mode, content, {});
}

void CpioArchive::add_character_device(const std::string& name, unsigned major, unsigned minor) {
  add(name, S_IFCHR | 0600, "", {major, minor});
}

// Magic, inode, mode, uid, gid, links, time, size, device of the archive (two), device (two), length of the name, check
// sum (unused): eight hexadecimal digits each.
void CpioArchive::add(const std::string& name, unsigned mode, std::string_view content, Device device) {
  const std::uint32_t fields[] = {next_inode_++,
                                  mode,
                                  0,
                                  0,
                                  1,
                                  0,
                                  static_cast<std::uint32_t>(content.size()),
                                  0,
                                  0,
                                  device.major,
                                  device.minor,
                                  static_cast<std::uint32_t>(name.size() + 1),
                                  0};
  bytes_ += "070701";
  for (auto field : fields) fmt::format_to(std::back_inserter(bytes_), "{:08X}", field);
  bytes_.append(name) += '\0';
  pad(bytes_, kAlignment);
  bytes_ += content;
  pad(bytes_, kAlignment);
}

std::string CpioArchive::finish() {
  add(kTrailer, 0, "", {});
  pad(bytes_, kBlock);
  return std::move(bytes_);
}

}  // namespace environment
