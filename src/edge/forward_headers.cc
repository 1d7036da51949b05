#include "edge/forward_headers.h"

#include <algorithm>
#include <initializer_list>

namespace edge {
namespace {

using http::Header;
using http::HeaderId;

http::HeaderSet our_fields() {
  http::HeaderSet set;
  for (auto id : {HeaderId::x_forwarded_for, HeaderId::x_forwarded_host, HeaderId::x_forwarded_port,
                  HeaderId::x_forwarded_proto, HeaderId::forwarded, HeaderId::x_real_ip, HeaderId::x_request_id}) {
    set.set(static_cast<std::size_t>(id));
  }
  return set;
}

// Names without an id that some framework or server takes for a proxy's word. "Proxy" becomes HTTP_PROXY under CGI
// rules, which HTTP clients obey (CVE-2016-5385 and its relatives).
bool is_strange(const Header& field) {
  if (field.id != HeaderId::other) return false;
  constexpr std::string_view family = "x-forwarded-";
  if (field.name.size() > family.size() && http::equal_ignoring_case(field.name.substr(0, family.size()), family))
    return true;
  for (std::string_view name : {"proxy", "x-scheme", "x-url-scheme", "front-end-https", "x-original-url",
                                "x-rewrite-url", "x-client-ip", "true-client-ip"}) {
    if (http::equal_ignoring_case(field.name, name)) return true;
  }
  return false;
}

// All values of a field as one list (RFC 9110 section 5.3).
std::string joined(const http::RequestHead& head, HeaderId id) {
  std::string list;
  for (const auto& field : head.headers) {
    if (field.id != id || field.value.empty()) continue;
    if (!list.empty()) list += ", ";
    list += field.value;
  }
  return list;
}

// A node of Forwarded (RFC 7239 section 6): IPv6 in brackets and quotes.
void append_node(std::string& to, std::string_view host) {
  if (host.find(':') == host.npos)
    to.append("for=").append(host);
  else
    to.append("for=\"[").append(host).append("]\"");
}

bool is_id(std::string_view text) {
  return text.size() == RequestId{}.size() &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string_view value_of(const http::RequestHead& head, HeaderId id) {
  auto* field = head.find(id);
  return field ? field->value : std::string_view();
}

}  // namespace

void ForwardHeaders::add(HeaderId id, std::string_view value) {
  auto& kept = values_[extra_count_];
  kept.assign(value);
  extra_[extra_count_++] = {http::header_name(id), kept, id};
}

void ForwardHeaders::drop_strange_fields(http::OutgoingRequest& out) {
  if (std::ranges::none_of(out.headers, is_strange)) return;
  kept_.clear();
  std::ranges::copy_if(out.headers, std::back_inserter(kept_), [](const Header& field) { return !is_strange(field); });
  out.headers = kept_;
}

void ForwardHeaders::apply(const http::RequestHead& head, const Peer& peer, RequestId& id, http::OutgoingRequest& out) {
  static const http::HeaderSet ours = our_fields();
  extra_count_ = 0;
  std::string_view host = peer.host.empty() ? "unknown" : std::string_view(peer.host);
  std::string before, chain, proto = peer.secure ? "https" : "http", forwarded_host(head.host), real_ip(host);
  if (peer.trusted) {
    if (auto incoming = joined(head, HeaderId::x_forwarded_for); !incoming.empty()) before = incoming + ", ";
    if (auto incoming = joined(head, HeaderId::forwarded); !incoming.empty()) chain = incoming + ", ";
    if (auto incoming = value_of(head, HeaderId::x_forwarded_proto); incoming == "https" || incoming == "http")
      proto = incoming;
    if (auto incoming = value_of(head, HeaderId::x_forwarded_host); !incoming.empty()) forwarded_host = incoming;
    if (auto incoming = value_of(head, HeaderId::x_real_ip); !incoming.empty()) real_ip = incoming;
    if (auto incoming = value_of(head, HeaderId::x_request_id); is_id(incoming))
      std::ranges::copy(incoming, id.begin());
  } else {
    drop_strange_fields(out);
  }
  append_node(chain, host);
  if (!head.host.empty()) chain.append(";host=\"").append(head.host).append("\"");
  chain.append(";proto=").append(proto);
  add(HeaderId::x_forwarded_for, before.append(host));
  add(HeaderId::x_forwarded_proto, proto);
  if (!forwarded_host.empty()) add(HeaderId::x_forwarded_host, forwarded_host);
  add(HeaderId::forwarded, chain);
  add(HeaderId::x_real_ip, real_ip);
  add(HeaderId::x_request_id, view(id));
  out.drop |= ours;
  out.extra = {extra_.data(), extra_count_};
}

void ForwardHeaders::translate_websocket(std::string_view key, http::OutgoingRequest& out) {
  out.method = "GET";
  out.framing = http::Framing::none;
  out.drop.set(static_cast<std::size_t>(HeaderId::sec_websocket_key));
  add(HeaderId::sec_websocket_key, key);
  out.extra = {extra_.data(), extra_count_};
}

}  // namespace edge
