#include "daemon/api/log_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace control_plane::api {
namespace {

std::string take_word(std::string_view& rest) {
  auto word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  return std::string(word);
}

}  // namespace

LogLine parse_log_line(std::string_view line) {
  auto rest = line;
  LogLine parsed;
  parsed.time = take_word(rest);
  if (parsed.time.size() < 20 || parsed.time[4] != '-' || parsed.time.back() != 'Z') return {.text = std::string(line)};
  parsed.process = take_word(rest);
  parsed.stream = take_word(rest);
  parsed.text = rest;
  return parsed;
}

bool LogReader::open_current() {
  auto opened = base::open(file_.string(), O_RDONLY | O_NOFOLLOW);
  if (!opened) return false;
  struct stat facts{};
  ::fstat(opened->get(), &facts);
  fd_ = std::move(*opened);
  inode_ = facts.st_ino;
  return true;
}

void LogReader::read_rest(std::vector<LogLine>& into) {
  std::array<char, 65536> chunk;
  for (ssize_t n; (n = ::read(fd_.get(), chunk.data(), chunk.size())) > 0;) {
    partial_.append(chunk.data(), static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      into.push_back(parse_log_line(std::string_view(partial_).substr(begin, end - begin)));
    }
    partial_.erase(0, begin);
  }
}

std::vector<LogLine> LogReader::last(std::size_t count) {
  std::vector<LogLine> lines;
  if (!open_current()) return lines;
  // A line is at most 16 KiB and rarely 200 bytes: the end of the file is enough.
  struct stat facts{};
  ::fstat(fd_.get(), &facts);
  auto wanted = static_cast<off_t>(count) * 512 + (64 << 10);
  bool from_middle = facts.st_size > wanted;
  if (from_middle) ::lseek(fd_.get(), facts.st_size - wanted, SEEK_SET);
  read_rest(lines);
  if (from_middle && !lines.empty()) lines.erase(lines.begin());  // begun in the middle of a line
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

std::vector<LogLine> LogReader::next() {
  std::vector<LogLine> lines;
  if (fd_.is_open()) read_rest(lines);
  struct stat facts{};
  bool replaced = ::stat(file_.c_str(), &facts) == 0 && facts.st_ino != inode_;
  if (!replaced) return lines;
  if (fd_.is_open()) read_rest(lines);  // what was written between the read and the rotation
  if (open_current()) read_rest(lines);
  return lines;
}

}  // namespace control_plane::api
