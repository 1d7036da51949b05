// http::StaticFolder: answers requests with the files below one folder. It plans; the owner of the connection sends.
//
// The path of a request is decoded once and taken apart: "..", empty segments, encoded slashes, NUL and, unless
// allowed, names that begin with a dot lead to nothing. What is left is opened by openat2(2) beneath the folder, so
// that links cannot lead out of it either. Only regular files are served.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "http/message.h"

namespace http {

struct StaticOptions {
  bool immutable = false;     // every name changes with its content: caches may keep files for a year
  bool dotfiles = false;      // serve names that begin with a dot
  bool index = false;         // "folder/" is answered with "folder/index.html"
  bool precompressed = true;  // "a.css.br", ".zst" and ".gz" stand for "a.css" where the client takes them
  std::chrono::seconds max_age = std::chrono::seconds(60);  // how long caches may keep a file that may change
};

struct StaticAnswer {
  int status = 200;                                      // 200, 206, 304, 412 or 416
  std::vector<std::pair<HeaderId, std::string>> fields;  // Content-Length is not among them
  base::Fd file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // bytes from offset: the whole content; also for HEAD, where the codec keeps it back
};

class StaticFolder {
 public:
  static base::Result<StaticFolder> open(const std::filesystem::path& folder, const StaticOptions& options = {});

  // `path` is the percent-encoded path below the folder, with or without a leading slash. Empty when there is no such
  // file, or the method is neither GET nor HEAD: the request is somebody else's. Errors are the machine's (descriptors
  // used up, a failing disk).
  base::Result<std::optional<StaticAnswer>> find(const RequestHead& request, std::string_view path) const;

 private:
  std::string cache_control(bool is_immutable) const;
  StaticFolder(base::Fd folder, const StaticOptions& options) : folder_(std::move(folder)), options_(options) {}

  base::Fd folder_;
  StaticOptions options_;
};

}  // namespace http
