#include "worker/access.h"

namespace worker {
namespace {

std::string value_of(const http::RequestHead& head, http::HeaderId id) {
  const http::Header* header = head.find(id);
  return header ? std::string(header->value) : std::string();
}

}  // namespace

AccessRecord::AccessRecord(const http::RequestHead& head, std::string_view client, std::span<const std::string> shown)
    : began(net::Clock::now()),
      peer(client),
      method(head.method_name),
      target(head.target),
      host(head.host),
      referer(value_of(head, http::HeaderId::referer)),
      user_agent(value_of(head, http::HeaderId::user_agent)),
      request_id(value_of(head, http::HeaderId::x_request_id)),
      traceparent(value_of(head, http::HeaderId::traceparent)),
      major_version(head.major_version),
      minor_version(head.minor_version) {
  for (const std::string& name : shown) {
    const http::Header* header = head.find(name);
    shown_headers.emplace_back(header ? header->value : std::string_view());
  }
}

http::AccessEntry AccessRecord::entry(int status, std::uint64_t bytes_out, bool aborted) const {
  http::AccessEntry entry;
  entry.peer = peer;
  entry.method = method;
  entry.target = target;
  entry.major_version = major_version;
  entry.minor_version = minor_version;
  entry.host = host;
  entry.referer = referer;
  entry.user_agent = user_agent;
  entry.request_id = request_id;
  entry.traceparent = traceparent;
  entry.shown_headers = shown_headers;
  entry.status = status;
  entry.bytes_out = bytes_out;
  entry.bytes_in = bytes_in;
  entry.duration = net::Clock::now() - began;
  entry.aborted = aborted;
  return entry;
}

}  // namespace worker
