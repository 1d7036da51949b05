#include "edge/dispatch.h"

#include "edge/static_exchange.h"
#include "edge/upstream_exchange.h"
#include "tls/context.h"
#include "websocket/handshake.h"

namespace edge {

namespace {

std::string_view without_port(std::string_view host) {
  auto colon = host.rfind(':');
  return colon == host.npos || host.ends_with(']') ? host : host.substr(0, colon);
}

// A request for a host whose handshake would have shown the client another certificate than the one that it saw
// (RFC 9110 sections 7.4 and 15.5.20): it came on the wrong connection.
bool is_misdirected(const Stream& client, std::string_view host) {
  const auto& peer = client.peer();
  if (peer.server_name.empty() || host.empty()) return false;
  auto name = without_port(host);
  return !http::equal_ignoring_case(name, peer.server_name) &&
         !client.context().tls->serves_alike(peer.server_name, name);
}

}  // namespace

void dispatch(Stream& client, const http::RequestHead& head, std::unique_ptr<Exchange>& into) {
  if (is_misdirected(client, head.host)) {
    return client.answer(Trouble::bad_request, 421, "This connection is for another host. Please try again.");
  }
  auto table = client.context().table;
  const App* app = table->find(head.host, head.path);
  if (!app) return client.answer(Trouble::no_app);
  client.record().belongs_to(app->runtime, app->name);
  client.set_body_limit(app->max_body);
  if (head.framing == http::Framing::length && head.content_length > app->max_body) {
    return client.answer(Trouble::bad_request, 413, "This site takes no bodies of this size.");
  }
  bool websocket = websocket::asks_for_websocket(head);
  if (websocket) {
    auto opening = websocket::read_opening(head);
    if (!opening) return client.answer(Trouble::bad_request, opening.error().status, opening.error().reason);
  }
  if (auto file = websocket ? nullptr : StaticExchange::find(client, *app, head)) {
    auto& exchange = *file;
    into = std::move(file);
    return exchange.begin();
  }
  if (app->state == AppState::stopped) return client.answer(Trouble::app_stopped);
  const auto most = app->max_in_flight > 0 ? app->max_in_flight : client.context().most_requests_per_app;
  const bool is_full = app->runtime->counters.in_flight > most;  // this one counts already
  if (is_full) return client.answer(Trouble::too_many_wait);
  auto upstream = std::make_unique<UpstreamExchange>(client, app->name);
  auto& exchange = *upstream;
  into = std::move(upstream);
  exchange.begin(*app, head, websocket ? Upgrade::websocket : Upgrade::none);
}

}  // namespace edge
