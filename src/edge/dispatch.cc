#include "edge/dispatch.h"

#include "edge/client_connection.h"
#include "edge/static_exchange.h"
#include "edge/upstream_exchange.h"

namespace edge {

void dispatch(ClientConnection& client, const http::RequestHead& head, std::unique_ptr<Exchange>& into) {
  auto table = client.context().table;
  const App* app = table->find(head.host, head.path);
  if (!app) return client.answer(Trouble::no_app);
  client.record().belongs_to(app->runtime, app->name);
  client.codec().set_body_limit(0, app->max_body);
  if (head.framing == http::Framing::length && head.content_length > app->max_body) {
    return client.answer(Trouble::bad_request, 413, "This site takes no bodies of this size.");
  }
  if (auto file = StaticExchange::find(client, *app, head)) {
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
  exchange.begin(*app, head);
}

}  // namespace edge
