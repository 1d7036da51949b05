#include "daemon/deploy/upload_reader.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "base/file.h"
#include "daemon/deploy/memory_file.h"
#include "daemon/drop.h"

namespace control_plane {
namespace {

using base::Result;
using nlohmann::json;

constexpr std::chrono::minutes kTimeLimit{5};
constexpr rlim_t kMemoryLimit = 1 << 30;
constexpr rlim_t kDescriptorLimit = 64;
constexpr int kOptionsDescriptor = 3;
constexpr std::size_t kMostOptionBytes = 4 << 20;  // variables come through the API, which takes no more
constexpr std::size_t kMostComplaint = 500;        // of what a child that failed wrote to standard error

// These three run between fork and exec: system calls only.

// Where the rights for it are missing (tests in a container), the child still has none of its own.
void leave_network() { (void)::unshare(CLONE_NEWNET | CLONE_NEWIPC); }

bool limit(int resource, rlim_t most) {
  rlimit both{most, most};
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &both) == 0;
}

// After the change of the user: before exec the kernel would count that user's other processes. A child that cannot be
// limited is not started. It starts no processes, which could outlive it.
void limit_child() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // shadow memory is terabytes, leaks need a process
  if (!limit(RLIMIT_DATA, kMemoryLimit) || !limit(RLIMIT_NPROC, 0)) ::_exit(126);
#endif
  bool done = limit(RLIMIT_NOFILE, kDescriptorLimit) && limit(RLIMIT_CORE, 0) &&
              ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  if (!done) ::_exit(126);
}

std::string text_of(const app::DetectOptions& options) {
  return json{{"name", options.fallback_name}, {"env", options.env}}.dump(-1, ' ', false,
                                                                          json::error_handler_t::replace);
}

Result<app::DetectOptions> read_options() {
  auto text = base::read_all(kOptionsDescriptor, kMostOptionBytes);
  if (!text) return std::unexpected(text.error());
  auto value = json::parse(*text);
  return app::DetectOptions{.fallback_name = value.at("name"),
                            .env = value.at("env").get<std::map<std::string, std::string>>()};
}

// Detection after unpacking, in the current folder.
Result<app::UploadReport> unpack_and_detect() {
  auto options = read_options();
  if (!options) return std::unexpected(options.error());
  auto unpacked = app::unpack(STDIN_FILENO, ".");
  if (!unpacked) return base::wrap(unpacked.error(), "unpack the upload");
  auto folder = app::Folder::open(".");
  if (!folder) return std::unexpected(folder.error());
  auto detection = app::detect(*folder, *options);
  if (!detection) return std::unexpected(detection.error());
  return app::UploadReport{std::move(*unpacked), std::move(*detection)};
}

std::string report_text() {
  try {
    return app::to_text(unpack_and_detect());
  } catch (const std::bad_alloc&) {
    base::Error error(base::Kind::overloaded,
                      fmt::format("read the upload: it took more than {} MiB of memory", kMemoryLimit >> 20),
                      "a lock or a source file is too large to be read: leave it out with .seraiignore");
    return app::to_text(std::unexpected(error));
  } catch (const std::exception& error) {
    return app::to_text(base::fail(base::Kind::internal, "read the upload: {}", error.what()));
  }
}

Result<app::UploadReport> report_of(const base::Output& output) {
  if (output.timed_out)
    return base::fail(base::Kind::overloaded, "read the upload: it took longer than {} min", kTimeLimit.count());
  if (output.out.empty())
    return base::fail(base::Kind::internal, "read the upload: the process that does it ended with {}: {}",
                      base::describe(output.status), output.err.substr(0, kMostComplaint));
  return app::parse_upload_report(output.out);
}

}  // namespace

Result<app::UploadReport> read_upload(const std::filesystem::path& archive, const std::filesystem::path& folder,
                                      environment::Identity owner, const app::DetectOptions& options) {
  if (auto made = base::make_folders(folder); !made) return std::unexpected(made.error());
  if (auto owned = base::change_owner(folder, owner.uid, owner.gid); !owned) return std::unexpected(owned.error());
  auto input = base::open(archive.string(), O_RDONLY);
  if (!input) return std::unexpected(input.error());
  auto target = base::open(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!target) return std::unexpected(target.error());
  auto question = memory_file(text_of(options));
  if (!question) return std::unexpected(question.error());
  base::Command command;
  command.argv = {"/proc/self/exe", "read-upload"};
  command.env = std::vector<std::string>{"LANG=C.UTF-8"};
  command.stdin_fd = input->get();
  command.keep = {{question->get(), kOptionsDescriptor}};
  command.in_child = [fd = target->get(), owner] {
    if (::fchdir(fd) < 0) ::_exit(126);
    leave_network();
    become_user(owner);
    limit_child();
  };
  auto output = base::run(command, kTimeLimit, app::kMostReportBytes + 1);
  if (!output) return std::unexpected(output.error());
  return report_of(*output);
}

int read_upload_in_child() { return base::write_all(STDOUT_FILENO, report_text()) ? 0 : 1; }

}  // namespace control_plane
