#include "environment/shared/program.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "instance/report.h"

namespace environment {

using nlohmann::json;

namespace {

base::Result<base::Fd> plan_descriptor(const instance::Plan& plan) {
  base::Fd fd(::memfd_create("serai-plan", MFD_CLOEXEC));
  if (!fd.is_open()) return base::errno_error("create a memory file");
  if (auto written = base::write_all(fd.get(), plan.to_json()); !written) return std::unexpected(written.error());
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return base::errno_error("rewind a memory file");
  return fd;
}

}  // namespace

base::Result<Started> start_program(const std::string& program, const instance::Plan& plan,
                                    const Descriptors& descriptors) {
  auto plan_fd = plan_descriptor(plan);
  if (!plan_fd) return std::unexpected(plan_fd.error());
  auto report = base::pipe();
  auto leash = base::pipe();
  if (!report || !leash) return base::errno_error("create a pipe");
  base::Command command;
  command.argv = {program};
  command.env = std::vector<std::string>{"PATH=/usr/bin:/bin"};
  command.cwd = "/";
  command.keep = {{plan_fd->get(), instance::kPlanFd}, {report->write.get(), instance::kReportFd}};
  if (descriptors.listener >= 0) command.keep.push_back({descriptors.listener, instance::kListenerFd});
  if (plan.once) {
    command.keep.push_back({descriptors.in, instance::kStdinFd});
    command.keep.push_back({descriptors.out, instance::kStdoutFd});
    command.keep.push_back({descriptors.err, instance::kStderrFd});
    command.keep.push_back({leash->read.get(), instance::kLeashFd});
  }
  if (descriptors.nice != 0) {
    command.in_child = [nice = descriptors.nice] {
      if (::setpriority(PRIO_PROCESS, 0, nice) < 0) ::_exit(126);
    };
  }
  auto child = base::Child::spawn(command);
  if (!child) return base::wrap(child.error(), "start the instance's supervisor");
  return Started{std::move(*child), std::move(report->read), std::move(leash->write)};
}

base::Result<json> await_start(const base::Fd& report, const std::function<void(const std::string&)>& on_step) {
  std::string text;
  char chunk[4096];
  for (;;) {
    auto count = base::read_some(report.get(), chunk);
    if (!count) return std::unexpected(count.error());
    if (!*count || **count == 0) break;
    text.append(chunk, **count);
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      auto line = json::parse(text.substr(0, end), nullptr, false);
      if (line.contains("step")) on_step(line["step"]);
      if (line.contains("error")) return std::unexpected(instance::error_from_json(line["error"]));
      if (line.contains("ok")) return line["ok"];
    }
  }
  return base::fail(base::Kind::internal, "start the instance: its supervisor ended without a word");
}

}  // namespace environment
