// worker::AccessRecord: what the access log needs of a request after its head is gone. Made only while a log is kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "http/access_log.h"
#include "http/message.h"
#include "net/loop.h"
#include "worker/peer.h"

namespace worker {

struct AccessRecord {
  net::Clock::time_point began;
  std::string peer, method, target, host, referer, user_agent, request_id;
  std::string traceparent;
  std::vector<std::string> shown_headers;
  std::uint8_t major_version = 1, minor_version = 1;
  std::uint64_t bytes_in = 0;

  // `shown_headers`: whose values the log shows besides the usual ones.
  AccessRecord(const http::RequestHead& head, std::string_view client, std::span<const std::string> shown_headers);
  http::AccessEntry entry(int status, std::uint64_t bytes_out, bool aborted) const;
};

}  // namespace worker
