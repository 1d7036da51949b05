#include "edge/dispatch.h"

#include "edge/static_exchange.h"
#include "edge/upstream_exchange.h"
#include "websocket/handshake.h"

namespace edge {

void dispatch(Stream& client, const http::RequestHead& head, std::unique_ptr<Exchange>& into) {
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
  bool is_full = app->runtime->counters.in_flight > client.context().most_requests_per_app;  // this one counts already
  if (is_full) return client.answer(Trouble::too_many_wait);
  auto upstream = std::make_unique<UpstreamExchange>(client, app->name);
  auto& exchange = *upstream;
  into = std::move(upstream);
  exchange.begin(*app, head, websocket ? Upgrade::websocket : Upgrade::none);
}

}  // namespace edge
