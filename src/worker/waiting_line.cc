#include "worker/waiting_line.h"

#include <algorithm>
#include <string>

namespace worker {

void WaitingLine::turn_away(Stream& stream) const {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(limits_.time).count();
  const std::string_view body = "Service Unavailable\n";
  (void)stream.start(503);
  (void)stream.field("retry-after", std::to_string(std::max<long long>(1, seconds)));
  (void)stream.field("content-type", "text/plain; charset=utf-8");
  (void)stream.finish_head(body.size());
  (void)stream.body(body);
  (void)stream.end();
  stream.finish_response();
}

}  // namespace worker
