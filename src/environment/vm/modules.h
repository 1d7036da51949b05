// Kernel modules of a guest: which ones it needs, and in which order they can be loaded.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace environment {

// Names are written with "_", as the kernel does, whatever the file is called.
struct KernelModule {
  std::filesystem::path file;
  std::vector<std::string> needs;
};
using KernelModules = std::map<std::string, KernelModule>;

// What a module's file says that it depends on (".modinfo" of its ELF file: "depends=jbd2,mbcache").
std::vector<std::string> needs_of_module(std::string_view file);
std::string module_name(const std::filesystem::path& file);

// Those that are wanted and all they need, each after what it needs. `built_in`: names that need no file. The error
// names what is missing.
base::Result<std::vector<std::string>> modules_in_order(const KernelModules& modules,
                                                        const std::vector<std::string>& built_in,
                                                        const std::vector<std::string>& wanted);

}  // namespace environment
