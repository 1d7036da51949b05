#include "instance/plan.h"

#include <nlohmann/json.hpp>

#include "base/byte_json.h"

namespace instance {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Mount, kind, to, base, path, links, writable, recursive, optional,
                                                content, lower, upper, work, size, mode, app_owned)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Process, name, argv, env, cwd, restart, web)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Root, lower, upper, work)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Runtime, argv, log, pid_file, enter_groups)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Machine, argv, settings, accelerator, port, boot_timeout_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Service, address, port, datagrams, instead, through, may_be_missing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NetworkPlan, own, group, alias, port, services)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Plan, app, id, once, terminal, timeout_ms, graceful_timeout_ms, uid,
                                                supervisor_uid, gid, supervisor_gid, user_namespace, has_listener,
                                                view_folder, root, mounts, runtime, machine, network, cgroup_entrances,
                                                oom_counter, control_socket, events_file, logs_folder, processes)

std::string Plan::to_json() const { return base::dump_byte_json(*this); }

base::Result<Plan> Plan::from_json(const std::string& text) {
  try {
    return base::parse_byte_json(text).get<Plan>();
  } catch (const nlohmann::json::exception& error) {
    return base::invalid("read the plan of an instance: {}", error.what());
  }
}

}  // namespace instance
