#include "edge/stream.h"

#include <algorithm>
#include <iterator>

namespace edge {

std::vector<http::Header> fields_to_pass(const AnswerHead& head) {
  std::vector<http::Header> fields;
  std::ranges::copy_if(head.fields, std::back_inserter(fields), [&](const http::Header& field) {
    return field.id != http::HeaderId::content_length && !http::is_hop_by_hop(field, head.fields, head.nominates);
  });
  return fields;
}

void Stream::answer(Trouble trouble, int status, std::string_view reason) {
  using http::HeaderId;
  auto page = make_error_page(trouble, record_.accept(), view(record_.id), status, reason);
  auto retry_after = std::to_string(page.retry_after_seconds);
  std::vector<http::Header> fields{{"content-type", page.content_type, HeaderId::content_type},
                                   {"cache-control", "no-store", HeaderId::cache_control},
                                   {"x-request-id", view(record_.id), HeaderId::x_request_id}};
  if (page.retry_after_seconds) fields.push_back({"retry-after", retry_after});
  if (page.status == 426) fields.push_back({"sec-websocket-version", "13", HeaderId::sec_websocket_version});
  begin_own_answer();
  record_.status = page.status;
  bool written =
      pass_head({.status = page.status, .fields = fields, .length = page.body.size()}) && pass_body(page.body) && end();
  written ? finish() : abort();
}

}  // namespace edge
