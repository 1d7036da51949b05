#include "worker/front/static_exchange.h"

#include "worker/front/front.h"

namespace worker::front {

void StaticExchange::on_lost() { front_.forget(*this); }

void StaticExchange::answer() {
  // Refused only where the files' names are stranger than headers allow.
  if (!write_head()) return stream_.respond(500, "Internal Server Error");
  auto begun = stream_.begin_bytes(answer_.length);
  if (begun && *begun) {
    stream_.append_file(std::make_shared<const base::Fd>(std::move(answer_.file)), answer_.offset, answer_.length);
    stream_.end_bytes();
  }
  if (!stream_.end()) return stream_.abort_response();
  stream_.finish_response();
}

bool StaticExchange::write_head() {
  if (!stream_.start(answer_.status)) return false;
  if (answer_.status == 405 && !stream_.field("allow", "GET, HEAD")) return false;
  for (const auto& [id, value] : answer_.fields)
    if (!stream_.field(http::header_name(id), value)) return false;
  const bool has_length = !http::status_forbids_body(answer_.status);
  return stream_.finish_head(has_length ? std::optional(answer_.length) : std::nullopt).has_value();
}

}  // namespace worker::front
