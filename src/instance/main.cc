// serai-instance: supervisor and init of one instance. Started by the environment only; see plan.h for its descriptors.
// As `serai-instance init` it is the first process of a container, as `/init` that of a virtual machine;
// `serai-instance confined` tells by its exit code whether its caller's rights were taken away (a try-out).
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <string_view>

#include "instance/init.h"
#include "instance/machine/guest.h"
#include "instance/once.h"
#include "instance/privileges.h"
#include "instance/supervisor.h"

namespace {

// The supervisor belongs to nobody: a session of its own, reparented to the host's init, so that it outlives the
// daemon.
void leave_caller() {
  if (::fork() > 0) ::_exit(0);
  ::setsid();
}

void keep_from_children(const instance::Plan& plan) {
  for (int fd = instance::kPlanFd; fd <= instance::kLeashFd; fd++) (void)base::set_cloexec(fd, true);
  if (!plan.once) {
    int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++) ::dup2(null, fd);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "init") instance::run_init_inside(base::Fd(instance::kInitSocketFd), base::Fd(instance::kInitSetupFd));
  if (::getpid() == 1 && std::string_view(argv[0]) == "/init") instance::run_guest();
  if (role == "confined") return instance::is_confined() ? 0 : 1;
  auto text = base::read_all(instance::kPlanFd, 16 << 20);
  if (!text) {
    ::fputs("serai-instance is started by `serai daemon`: it reads its plan from descriptor 3\n", stderr);
    return 2;
  }
  ::close(instance::kPlanFd);
  instance::Report report{base::Fd(instance::kReportFd)};
  auto plan = instance::Plan::from_json(*text);
  if (!plan) {
    report.error(plan.error());
    return 1;
  }
  if (!plan->once) leave_caller();
  keep_from_children(*plan);
  if (plan->once) return instance::run_once(std::move(*plan), std::move(report));
  base::Fd listener(plan->has_listener ? instance::kListenerFd : -1);
  return instance::supervise(std::move(*plan), std::move(listener), std::move(report));
}
