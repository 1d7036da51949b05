#include "worker/account.h"

#include <algorithm>

#include "worker/server.h"

namespace worker {

void Account::open(const Stream& stream) {
  open_ = true;
  server_.counters().add(Counter::requests);
  server_.counters().add(Counter::in_flight);
  if (server_.options().measure) began_ = server_.loop().now();
  if (!server_.keeps_access_log()) return;
  std::string_view forwarded = stream.is_trusted() ? stream.forwarded_client() : std::string_view();
  std::string_view client = forwarded.empty() ? stream.client().host : forwarded;
  record_ = std::make_unique<AccessRecord>(stream.head(), client, server_.shown_headers());
}

void Account::name_request(std::string_view id) {
  if (!record_) return;
  record_->request_id = id;
  auto shown = server_.shown_headers();
  for (std::size_t i = 0; i < shown.size(); i++)
    if (http::equal_ignoring_case(shown[i], server_.options().request_id_header)) record_->shown_headers[i] = id;
}

void Account::close(int status, std::uint64_t body_bytes, Completion completion) {
  settled_ = false;
  if (!std::exchange(open_, false)) return;
  server_.counters().subtract(Counter::in_flight);
  bool aborted = completion == Completion::aborted;
  if (status >= 500 && !aborted) server_.counters().add(Counter::responses_5xx);
  if (server_.options().measure) {
    auto kind = aborted || status < 100 ? Histogram::aborted : static_cast<Histogram>(std::min(status / 100, 5));
    server_.counters().observe(kind, net::Clock::now() - began_);
  }
  if (!record_) return;
  server_.log_access(record_->entry(status, body_bytes, aborted));
  record_.reset();
}

void Account::refuse(const Ends& ends, int status, std::uint64_t body_bytes) {
  if (status >= 500) server_.counters().add(Counter::responses_5xx);
  if (!server_.keeps_access_log()) return;
  http::AccessEntry entry;
  entry.peer = ends.client.host;
  entry.status = status;
  entry.bytes_out = body_bytes;
  server_.log_access(entry);
}

}  // namespace worker
