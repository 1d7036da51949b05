#include "environment/container/apart.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace environment {

// unshare(1): its child is process 1 of the new pid namespace and dies with it, and with process 1 all others.
base::Result<base::Output> run_apart(base::Command command, std::chrono::milliseconds patience) {
  std::vector<std::string> argv = {"/usr/bin/unshare", "--mount",      "--propagation", "private", "--pid",
                                   "--fork",           "--kill-child", "--mount-proc",  "--"};
  argv.insert(argv.end(), command.argv.begin(), command.argv.end());
  command.argv = std::move(argv);
  command.in_child = [parent = ::getpid()] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(125);  // it died before it could be told
  };
  return base::run(command, patience);
}

}  // namespace environment
