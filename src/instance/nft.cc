#include "instance/nft.h"

#include <unistd.h>

#include "base/child.h"
#include "base/fd.h"

namespace instance {
namespace {

// Not by PATH: a supervisor's has no folders for root's programs.
std::string nft_program() {
  for (const char* folder : {"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"}) {
    auto program = std::string(folder) + "/nft";
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return "nft";
}

}  // namespace

base::Result<void> run_nft(const std::string& rules) {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  // The rules are far below a pipe's capacity: writing them first cannot block.
  if (auto written = base::write_all(pipe->write.get(), rules); !written) return written;
  pipe->write.close();
  base::Command command;
  command.argv = {nft_program(), "-f", "-"};
  command.stdin_fd = pipe->read.get();
  auto output = base::run(command, std::chrono::seconds(10));
  if (!output) {
    return std::unexpected(
        base::Error(base::Kind::unsupported, "run nft: " + output.error().message(), "install the package nftables"));
  }
  if (base::succeeded(output->status)) return {};
  return base::fail(base::Kind::unsupported, "set the firewall: {}", output->err.substr(0, output->err.find('\n')));
}

}  // namespace instance
