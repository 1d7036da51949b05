#include "edge/static_exchange.h"

#include "base/log.h"

namespace edge {

std::unique_ptr<StaticExchange> StaticExchange::find(Stream& client, const App& app, const http::RequestHead& head) {
  for (const auto& mount : app.statics) {
    if (!mount.served || !covers(mount.prefix, head.path)) continue;
    auto answer = mount.served->find(head, head.path.substr(mount.prefix.size()));
    if (!answer) {
      base::log(base::Level::error, "edge.static_failed", {{"app", app.name}}, answer.error().describe());
      continue;
    }
    if (*answer) return std::unique_ptr<StaticExchange>(new StaticExchange(client, std::move(**answer)));
  }
  return nullptr;
}

void StaticExchange::begin() {
  client_.record().from_file = true;
  client_.record().status = answer_.status;
  std::vector<http::Header> fields;
  fields.reserve(answer_.fields.size());
  for (const auto& [id, value] : answer_.fields) fields.push_back({http::header_name(id), value, id});
  // Refused only where the files' names are stranger than headers allow.
  if (!client_.pass_head({.status = answer_.status, .fields = fields, .length = answer_.length})) {
    return client_.answer(Trouble::app_failed);
  }
  client_.pass_file(std::move(answer_.file), answer_.offset, answer_.length);
}

}  // namespace edge
