// environment::CpioArchive: an initramfs in the making: "newc", as the kernel unpacks it (Documentation/driver-api/
// early-userspace/buffer-format.rst). The same content gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace environment {

class CpioArchive {
 public:
  // Names are relative; what holds them is added first.
  void add_folder(const std::string& name);
  void add_file(const std::string& name, std::string_view content, unsigned mode);
  void add_character_device(const std::string& name, unsigned major, unsigned minor);
  // The whole archive; nothing can be added any more.
  std::string finish();

 private:
  struct Device {
    unsigned major = 0, minor = 0;
  };
  void add(const std::string& name, unsigned mode, std::string_view content, Device device);

  std::string bytes_;
  std::uint32_t next_inode_ = 1;
};

}  // namespace environment
