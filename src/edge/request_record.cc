#include "edge/request_record.h"

#include "base/memory.h"
#include "edge/context.h"
#include "http/access_log.h"

namespace edge {
namespace {

constexpr std::size_t kSpareCapacity = 1 << 10;  // what is kept for the next request

std::string_view value_of(const http::RequestHead& head, http::HeaderId id) {
  auto* field = head.find(id);
  return field ? field->value : std::string_view();
}

}  // namespace

RequestRecord::Piece RequestRecord::keep(std::string_view text) {
  Piece kept{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())};
  text_ += text;
  return kept;
}

void RequestRecord::begin(Context& context, const http::RequestHead* head, std::string_view peer) {
  static const http::RequestHead unreadable;
  const auto& from = head ? *head : unreadable;
  begun_ = true;
  id = context.request_ids.next();
  status = 0;
  bytes_in = bytes_out = 0;
  aborted = from_file = by_second_place = false;
  started_ = context.loop.now();
  text_.clear();
  method_ = keep(from.method_name);
  target_ = keep(from.target);
  host_ = keep(from.host);
  referer_ = keep(value_of(from, http::HeaderId::referer));
  user_agent_ = keep(value_of(from, http::HeaderId::user_agent));
  accept_ = keep(value_of(from, http::HeaderId::accept));
  peer_ = keep(peer);
  app_ = {};
  major_version_ = from.major_version;
  minor_version_ = from.minor_version;
}

void RequestRecord::belongs_to(std::shared_ptr<AppRuntime> runtime, std::string_view app) {
  runtime_ = std::move(runtime);
  runtime_->counters.in_flight++;
  app_ = keep(app);
}

void RequestRecord::finish(Context& context) {
  if (!std::exchange(begun_, false)) return;
  if (aborted) status = 499;  // as nginx says it: the client went before its answer was whole
  auto took = context.loop.now() - started_;
  log(context, took);
  base::give_back(text_, kSpareCapacity);
  auto runtime = std::move(runtime_);
  if (!runtime) return;
  runtime->counters.in_flight--;
  count(runtime->counters, took);
  if (by_second_place) count(runtime->second_counters, took);
}

void RequestRecord::count(AppCounters& counters, std::chrono::nanoseconds took) const {
  counters.requests++;
  counters.by_class[static_cast<std::size_t>(status / 100) % counters.by_class.size()]++;
  counters.bytes_in += bytes_in;
  counters.bytes_out += bytes_out;
  counters.from_files += from_file;
  counters.aborted += aborted;
  if (status != 101) counters.latency.record(took);  // how long a WebSocket stayed open says nothing on it
}

void RequestRecord::log(Context& context, std::chrono::nanoseconds took) const {
  context.access_log->add({.peer = piece(peer_),
                           .method = piece(method_),
                           .target = piece(target_),
                           .major_version = major_version_,
                           .minor_version = minor_version_,
                           .host = piece(host_),
                           .referer = piece(referer_),
                           .user_agent = piece(user_agent_),
                           .app = piece(app_),
                           .request_id = view(id),
                           .status = status,
                           .bytes_out = bytes_out,
                           .bytes_in = bytes_in,
                           .duration = took,
                           .aborted = aborted});
}

}  // namespace edge
