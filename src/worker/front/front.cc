#include "worker/front/front.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "worker/stream.h"

namespace worker::front {
namespace {

// What the compressors of a worker hold together; responses beyond go uncompressed.
constexpr std::size_t most_reserved = 64 * 1024 * 1024;

bool asks_for_filters(const Options& options) {
  return !options.compress.codings.empty() || options.request_id != Options::RequestId::off;
}

// By whole segments: "/static" covers "/static/x", not "/statics".
bool covers(std::string_view prefix, std::string_view path) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

base::Result<std::unique_ptr<Front>> Front::create(const Options& options, net::Loop& loop, Handler& app) {
  if (options.statics.empty() && !asks_for_filters(options)) return nullptr;
  http::StaticOptions how{.index = options.static_index, .max_age = options.static_max_age};
  std::vector<Mount> mounts;
  for (const auto& [prefix, path] : options.statics) {
    auto folder = http::StaticFolder::open(path, how);
    if (!folder) return std::unexpected(folder.error());
    mounts.push_back({prefix, std::move(*folder)});
  }
  return std::unique_ptr<Front>(new Front(options, loop, app, std::move(mounts)));
}

Exchange* Front::begin(Stream& stream) {
  if (!asks_for_filters(options_)) return find(stream);
  Filter& filter = filters_.put(std::make_unique<Filter>(*this, stream, request_id(stream.head())));
  filter.set_exchange(*find(filter));
  return &filter;
}

Exchange* Front::find(Stream& stream) {
  Exchange* from_file = mounts_.empty() ? nullptr : find_static(stream);
  return from_file ? from_file : app_.begin(stream);
}

std::string Front::request_id(const http::RequestHead& head) {
  if (options_.request_id == Options::RequestId::off) return {};
  const http::Header* given = head.find(options_.request_id_header);
  if (options_.request_id == Options::RequestId::trust && given && http::is_sane_request_id(given->value))
    return std::string(given->value);
  return std::string(http::view(request_ids_.next()));
}

bool Front::reserve(std::size_t bytes) {
  if (reserved_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most_reserved) return true;
  give_back(bytes);
  return false;
}

Exchange* Front::find_static(Stream& stream) {
  const http::RequestHead& head = stream.head();
  const bool reads = head.method == http::Method::get || head.method == http::Method::head;
  for (const Mount& mount : mounts_) {
    if (!covers(mount.prefix, head.path)) continue;
    http::RequestHead asked;  // with another method, whether there is such a file
    if (!reads) asked.method = http::Method::head;
    auto answer = mount.folder.find(reads ? head : asked, head.path.substr(mount.prefix.size()));
    if (!answer) {
      base::log(base::Level::error, "worker.static_failed", {{"prefix", mount.prefix}}, answer.error().describe());
      continue;
    }
    if (!*answer) continue;
    if (!reads) *answer = http::StaticAnswer{.status = 405};
    stream.head_used();
    return &answer_later(std::make_unique<StaticExchange>(*this, stream, std::move(**answer)));
  }
  return nullptr;
}

Exchange& Front::answer_later(std::unique_ptr<StaticExchange> exchange) {
  loop_.defer(*this);
  return *ready_.emplace_back(std::move(exchange));
}

void Front::forget(StaticExchange& exchange) {
  auto place = std::ranges::find(ready_, &exchange, [](const auto& ready) { return ready.get(); });
  if (place != ready_.end()) ready_.erase(place);
}

// Those that come meanwhile, from clients that send many requests at once, are for the next turn.
void Front::at_end_of_turn() {
  for (std::size_t left = ready_.size(); left > 0 && !ready_.empty(); left--) {
    auto exchange = std::move(ready_.front());
    ready_.pop_front();
    exchange->answer();
  }
}

}  // namespace worker::front
