#include "daemon/deploy/unpack.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/child.h"
#include "base/file.h"
#include "daemon/drop.h"

namespace control_plane {
namespace {

using nlohmann::json;

constexpr std::chrono::minutes kTimeLimit{5};

base::Result<app::Unpacked> read_report(const base::Output& output) {
  auto report = json::parse(output.out, nullptr, false);
  if (!report.is_object()) return base::fail(base::Kind::internal, "unpack the upload: {}", output.err);
  if (report.contains("kind")) {
    return std::unexpected(
        base::Error(base::kind_named(report.value("kind", "")), report.value("message", ""), report.value("advice", ""))
            .add_context("unpack the upload"));
  }
  return app::Unpacked{report.value("files", 0ull), report.value("bytes", 0ull), report.value("digest", "")};
}

}  // namespace

base::Result<app::Unpacked> unpack_upload(const std::filesystem::path& archive, const std::filesystem::path& folder,
                                          environment::Identity owner) {
  if (auto made = base::make_folders(folder); !made) return std::unexpected(made.error());
  if (auto owned = base::change_owner(folder, owner.uid, owner.gid); !owned) return std::unexpected(owned.error());
  auto input = base::open(archive.string(), O_RDONLY);
  if (!input) return std::unexpected(input.error());
  auto target = base::open(folder.string(), O_RDONLY | O_DIRECTORY);
  if (!target) return std::unexpected(target.error());
  base::Command command;
  command.argv = {"/proc/self/exe", "unpack"};
  command.env = std::vector<std::string>{"LANG=C.UTF-8"};
  command.stdin_fd = input->get();
  command.in_child = [fd = target->get(), owner] {
    if (::fchdir(fd) < 0) ::_exit(126);
    become_user(owner);
  };
  auto output = base::run(command, kTimeLimit);
  if (!output) return std::unexpected(output.error());
  if (output->timed_out)
    return base::fail(base::Kind::overloaded, "unpack the upload: it took longer than {} min", kTimeLimit.count());
  return read_report(*output);
}

int unpack_in_child() {
  auto unpacked = app::unpack(0, ".");
  json report;
  if (unpacked) {
    report = {{"files", unpacked->files}, {"bytes", unpacked->bytes}, {"digest", unpacked->digest}};
  } else {
    report = {{"kind", base::kind_facts(unpacked.error().kind()).name},
              {"message", unpacked.error().describe()},
              {"advice", unpacked.error().advice()}};
  }
  std::puts(report.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  return unpacked ? 0 : 1;
}

}  // namespace control_plane
