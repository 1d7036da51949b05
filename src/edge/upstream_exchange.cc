#include "edge/upstream_exchange.h"

#include "base/log.h"
#include "websocket/handshake.h"

namespace edge {
namespace {

constexpr int kQuickRetries = 2;                    // at once on another socket; then the request is held
constexpr std::chrono::seconds kTunnelClosing{10};  // without a byte, once one side has ended

bool accepts_trailers(const http::RequestHead& head) {
  auto* te = head.find(http::HeaderId::te);
  bool found = false;
  if (te) http::for_each_token(te->value, [&](auto coding) { found = found || http::matches(coding, "trailers"); });
  return found;
}

}  // namespace

// ---- request ----

void UpstreamExchange::begin(const App& app, const http::RequestHead& head, Upgrade upgrade) {
  auto& context = client_.context();
  request_timeout_ = app.request_timeout;
  tunnel_idle_ = app.tunnel_idle;
  expect_continue_ = head.expect_continue;
  wants_trailers_ = accepts_trailers(head);
  auto outgoing = http::OutgoingRequest::of(head);
  outgoing.accepts_trailers = wants_trailers_;
  if (upgrade == Upgrade::websocket) outgoing.upgrade = "websocket";
  context.forward_headers.apply(head, client_.peer(), client_.record().id, outgoing);
  if (upgrade != Upgrade::none && head.method == http::Method::connect) {
    websocket_key_ = websocket::new_key();
    context.forward_headers.translate_websocket(websocket_key_, outgoing);
  }
  bool idle = app.state == AppState::up && take_idle(app);
  if (!idle) upstream_ = std::make_unique<UpstreamConnection>(context);
  if (auto written = upstream_->start(outgoing, *this); !written) {
    return client_.answer(Trouble::bad_request, 400, "The request cannot be passed on.");
  }
  waiting_since_ = loop().now();
  if (idle)
    on_upstream_open();
  else if (app.state == AppState::up)
    try_app(app);
  else
    hold(app, Why::app_on_hold);
}

bool UpstreamExchange::take_idle(const App& app) {
  choose_place(app);
  upstream_ = is_shared() ? pool_->take() : client_.private_upstreams().take(*pool_);
  return upstream_ != nullptr;
}

void UpstreamExchange::choose_place(const App& app) {
  pool_ = app.runtime->next_pool();
  client_.record().by_second_place = app.runtime->is_second(pool_.get());
}

// Connects anew. Not reachable is nothing special: the app may be about to start, or routes about to change.
void UpstreamExchange::try_app(const App& app) {
  connecting_since_ = waiting_since_ = loop().now();
  if (auto connected = upstream_->connect(pool_->upstream().endpoint); !connected) {
    if (!was_held_) note_failure(connected.error().describe());
    return hold(app, Why::app_unreachable);
  }
  if (upstream_->is_open()) on_upstream_open();
}

void UpstreamExchange::on_upstream_open() {
  runtime().holds.note_reached();
  waiting_since_ = loop().now();
  if (std::exchange(expect_continue_, false) && !client_.body_ended()) client_.send_continue();
  client_.continue_reading();
}

bool UpstreamExchange::wants_body() const { return upstream_ && upstream_->is_open() && !upstream_->is_congested(); }

void UpstreamExchange::on_body(std::string_view bytes) {
  waiting_since_ = loop().now();
  if (auto sent = upstream_->send_body(bytes); !sent) fail(Trouble::app_failed, sent.error().describe());
}

void UpstreamExchange::on_body_end() {
  waiting_since_ = loop().now();
  if (auto sent = upstream_->send_end(); !sent) return fail(Trouble::app_failed, sent.error().describe());
  if (is_tunnel_) end_tunnel();
}

void UpstreamExchange::on_upstream_writable() {
  if (is_tunnel_ && upstream_->is_write_broken()) return end_tunnel();
  client_.continue_reading();
}

// ---- waiting ----

void UpstreamExchange::hold(const App& app, Why why) {
  if (!std::exchange(was_held_, true)) {
    runtime().counters.held_total++;
    hold_until_ = loop().now() + app.hold.timeout;
  }
  if (loop().now() >= hold_until_) return on_hold_expired(why);
  // The app's present queue: this request may have begun with a runtime that left the table since.
  if (app.runtime->holds.add(*this, upstream_->buffered(), app.hold, hold_until_, why)) return;
  client_.answer(Trouble::too_many_wait);
}

void UpstreamExchange::on_released() {
  auto table = client_.context().table;
  const App* app = table->find_app(app_);
  if (!app) return client_.answer(Trouble::no_app);
  if (app->state == AppState::stopped) return client_.answer(Trouble::app_stopped);
  if (app->state == AppState::hold) return hold(*app, Why::app_on_hold);
  runtime().counters.upstream_retries++;
  choose_place(*app);
  try_app(*app);
}

void UpstreamExchange::on_hold_expired(Why why) {
  client_.answer(why == Why::app_on_hold ? Trouble::app_starting : Trouble::app_unreachable);
}

// ---- answer ----

// 100 is between the app and us: the client has got its own (RFC 9110 section 15.2).
void UpstreamExchange::on_interim(const http::ResponseHead& head) {
  if (head.status == 100) return;
  client_.inform({.status = head.status, .fields = head.headers, .nominates = head.nominates, .length = {}});
}

void UpstreamExchange::on_response_trailers(std::span<const http::Header> fields) {
  if (wants_trailers_) client_.pass_trailers(fields);
}

void UpstreamExchange::on_response_head(const http::ResponseHead& head) {
  answering_ = true;
  client_.record().status = head.status;
  if (head.status == 101) return open_tunnel(head);
  if (!websocket_key_.empty() && head.status < 300) {  // over HTTP/2 that would open it (RFC 8441 section 5)
    return fail(Trouble::app_failed, "the app answered a WebSocket's handshake with a page");
  }
  auto length = head.declares_length ? std::optional(head.content_length) : std::nullopt;
  auto passed =
      client_.pass_head({.status = head.status, .fields = head.headers, .nominates = head.nominates, .length = length});
  if (!passed) fail(Trouble::app_failed, "the app's answer cannot be passed on");
}

void UpstreamExchange::on_response_body(std::string_view bytes) {
  waiting_since_ = loop().now();
  if (auto passed = client_.pass_body(bytes); !passed) return fail(Trouble::app_failed, passed.error().describe());
  if (!client_.is_congested()) return;
  upstream_->pause();
  client_.want_room();
}

void UpstreamExchange::on_drained() {
  if (upstream_) upstream_->resume();
}

void UpstreamExchange::on_response_end() {
  if (auto ended = client_.end(); !ended) return fail(Trouble::app_failed, ended.error().describe());
  if (is_tunnel_) {
    upstream_ended_ = true;
    return end_tunnel();
  }
  if (is_shared())
    pool_->give_back(std::move(upstream_));
  else
    client_.private_upstreams().keep(pool_, std::move(upstream_));
  client_.finish();
}

// ---- tunnel ----

void UpstreamExchange::open_tunnel(const http::ResponseHead& head) {
  if (!websocket_key_.empty()) {  // ours: the client cannot check the answer
    auto* accept = head.find("sec-websocket-accept");
    bool agreed = accept && accept->value == websocket::accept_key(websocket_key_);
    if (!agreed) return fail(Trouble::app_failed, "the app agreed to another WebSocket than the one asked for");
  }
  auto opened =
      client_.open_tunnel({.status = head.status, .fields = head.headers, .nominates = head.nominates, .length = {}});
  if (!opened) return fail(Trouble::app_failed, opened.error().describe());
  is_tunnel_ = true;
  waiting_since_ = loop().now();
  runtime().counters.tunnels++;
  client_.continue_reading();
}

// A side that has ended may still be told what the other one has to say.
void UpstreamExchange::end_tunnel() {
  waiting_since_ = loop().now();
  if (!upstream_ended_ || !(client_.body_ended() || upstream_->is_write_broken())) return;
  on_cut();
  client_.finish();
}

void UpstreamExchange::sweep_tunnel(net::Clock::time_point now) {
  bool half_over = upstream_ended_ || client_.body_ended();
  auto most = half_over ? std::min(tunnel_idle_, kTunnelClosing) : tunnel_idle_;
  if (now - waiting_since_ > most) client_.abort();
}

// ---- trouble ----

void UpstreamExchange::on_upstream_failed(UpstreamConnection::Failure failure) {
  note_failure(failure.reason);
  if (!failure.retry) return fail(Trouble::app_failed, {});
  auto table = client_.context().table;
  const App* app = table->find_app(app_);
  runtime().counters.upstream_retries++;
  if (app && app->state == AppState::up && quick_retries_++ < kQuickRetries) {
    choose_place(*app);
    return try_app(*app);
  }
  if (!app || app->state == AppState::stopped) return on_released();
  hold(*app, app->state == AppState::hold ? Why::app_on_hold : Why::app_unreachable);
}

// Counted each, logged once a second: an app that is down must not fill the disk.
void UpstreamExchange::note_failure(std::string_view reason) {
  runtime().counters.upstream_errors++;
  if (!runtime().may_log(loop().now())) return;
  base::log(base::Level::warning, "edge.upstream_failed", {{"app", app_}, {"request", view(client_.record().id)}},
            reason);
}

// The answer is ours while nothing of the app's has been written; afterwards only the cut tells the client.
void UpstreamExchange::fail(Trouble trouble, std::string_view reason) {
  if (!reason.empty()) note_failure(reason);
  client_.head_is_finished() ? client_.abort() : client_.answer(trouble);
}

void UpstreamExchange::on_cut() {
  leave_queue();
  if (std::exchange(is_tunnel_, false)) runtime().counters.tunnels--;
  if (!upstream_) return;
  upstream_->abandon();
  client_.context().bury(std::move(upstream_));
}

void UpstreamExchange::on_sweep(net::Clock::time_point now) {
  if (is_tunnel_) return sweep_tunnel(now);
  if (is_held() || !upstream_) return;
  if (!upstream_->is_open()) {
    if (now - connecting_since_ < client_.context().options.timeouts.connect) return;
    return upstream_->give_up_connecting();
  }
  bool overdue = request_timeout_.count() > 0 && now - waiting_since_ > request_timeout_;
  if (overdue && !answering_) fail(Trouble::app_timeout, "the app did not answer in time");
}

}  // namespace edge
