// instance::Report: what `serai-instance` tells whoever started it, one JSON object a line on descriptor 4:
//   {"step":"view"}                                      a step was done
//   {"error":{"kind":…,"message":…,"advice":…}}          the last line of a start that failed
//   {"ok":{"supervisor":123,"init":124,"network":{"interface":7,"address":"198.18.0.1"}}}
//                                                        the last line of a start that worked; interface 0: it is on
//                                                        the host's network
//   {"ended":{"code":0,"signal":0,"timed_out":false,"out_of_memory":false}}   the last line of a one-off command
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"

namespace instance {

class Report {
 public:
  explicit Report(base::Fd fd) : fd_(std::move(fd)) {}
  void step(const std::string& name);
  void error(const base::Error& error);
  void tell(const nlohmann::json& line);
  void close() { fd_.close(); }

 private:
  base::Fd fd_;
};

nlohmann::json to_json(const base::Error& error);
base::Error error_from_json(const nlohmann::json& error);

}  // namespace instance
