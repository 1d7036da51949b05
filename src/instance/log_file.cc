#include "instance/log_file.h"

#include <fmt/chrono.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

namespace instance {
namespace {

std::string timestamp() {
  using namespace std::chrono;
  auto now = system_clock::now();
  auto part = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(now)), part);
}

}  // namespace

base::Result<LogFile> LogFile::open(const base::Fd& folder, std::string process) {
  LogFile log(folder, std::move(process));
  if (auto opened = log.reopen(); !opened) return std::unexpected(opened.error());
  return log;
}

base::Result<void> LogFile::reopen() {
  auto file = base::open_at(folder_->get(), process_ + ".log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0640);
  if (!file) return base::wrap(file.error(), "open a process's log");
  struct stat facts;
  size_ = ::fstat(file->get(), &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
  file_ = std::move(*file);
  return {};
}

void LogFile::rotate() {
  auto name = [&](int number) { return number ? fmt::format("{}.log.{}", process_, number) : process_ + ".log"; };
  // Another instance of the app may write the same log and have rotated it already: then it is just opened again.
  struct stat ours, current;
  if (::fstat(file_.get(), &ours) == 0 &&
      ::fstatat(folder_->get(), name(0).c_str(), &current, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == current.st_ino) {
    for (int number = kKept; number > 0; number--) {
      ::renameat(folder_->get(), name(number - 1).c_str(), folder_->get(), name(number).c_str());
    }
  }
  (void)reopen();
}

void LogFile::write(std::string_view stream, std::string_view line) {
  auto text = fmt::format("{} {} {} {}\n", timestamp(), process_, stream, line);
  if (size_ + text.size() > kMaxBytes) rotate();
  // A full disk must not end the instance: the line is lost, the next one may fit.
  if (base::write_all(file_.get(), text)) size_ += text.size();
}

}  // namespace instance
