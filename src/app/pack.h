// Packing a folder for upload, and unpacking an upload.
//
// pack() runs in the client as the user: it follows .gitignore and .seraiignore, never takes .git, virtual
// environments or caches, and reports what it left out. unpack() runs in an unprivileged child of the daemon: nothing
// leaves the target folder, no devices, no set-id bits, within limits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace app {

struct PackEntry {
  std::string path;  // relative, '/'-separated
  enum class Kind { file, folder, link } kind = Kind::file;
  bool executable = false;
  std::uint64_t size = 0;
  std::string target;  // of a link
};

struct LeftOut {
  std::string path;    // a folder ends in '/'
  std::string reason;  // ".gitignore:3", "virtual environment", "link leaves the folder"
};

// A file that is perhaps not meant to travel: the client asks about it. One that an ignore file names is left out
// without a question.
struct Questionable {
  std::string path;
  std::string reason;  // "holds secrets", "local database", "private key"
  std::uint64_t size = 0;
  bool executable = false;
};

struct PackPlan {
  std::vector<PackEntry> entries;          // sorted by path; questionable ones are not among them
  std::vector<Questionable> questionable;  // sorted; moved into entries by take()
  std::vector<LeftOut> left_out;
  std::uint64_t bytes = 0;
  // Takes a questionable file along.
  void take(const std::string& path);
};

struct PackLimits {
  std::uint64_t files = 100'000;
  std::uint64_t bytes = 1ull << 30;
};

// Looks at a folder; Kind::overloaded with the largest folders named when it is beyond the limits.
base::Result<PackPlan> plan_pack(const std::string& folder, const PackLimits& limits = {});
// Streams the plan as a zstd-compressed tar: deterministic (order, owner 0, times 0, modes 0644/0755). `sink` gets the
// bytes and may fail, which ends the packing with its error.
using Sink = std::function<base::Result<void>(std::string_view bytes)>;
base::Result<void> pack(const std::string& folder, const PackPlan& plan, const Sink& sink);

struct UnpackLimits {
  std::uint64_t files = 100'000;
  std::uint64_t bytes = 2ull << 30;
  std::uint64_t path_length = 1024;
};
struct Unpacked {
  std::uint64_t files = 0, bytes = 0;
  std::string digest;  // hex, as digest_folder() gives it
};
// Reads a tar (plain, gzip, zstd, xz) from a descriptor into an existing empty folder. Call it in a child process
// that has already dropped to an unprivileged user; it creates files below `folder` only.
base::Result<Unpacked> unpack(int archive, const std::string& folder, const UnpackLimits& limits = {});

// The content address of a folder: hex SHA-256 over sorted paths, kinds, executable bits, link targets and contents.
// Owners, times and other mode bits do not count.
base::Result<std::string> digest_folder(const std::string& folder);

}  // namespace app
