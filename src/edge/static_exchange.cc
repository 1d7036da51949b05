#include "edge/static_exchange.h"

#include <sys/sendfile.h>

#include <cerrno>

#include "base/log.h"

namespace edge {
namespace {

constexpr std::uint64_t kPerTurn = 1 << 20;  // then others get their turn

}  // namespace

std::unique_ptr<StaticExchange> StaticExchange::find(ClientConnection& client, const App& app,
                                                     const http::RequestHead& head) {
  for (const auto& mount : app.statics) {
    if (!mount.served || !covers(mount.prefix, head.path)) continue;
    auto answer = mount.served->find(head, head.path.substr(mount.prefix.size()));
    if (!answer) {
      base::log(base::Level::error, "edge.static_failed", {{"app", app.name}}, answer.error().describe());
      continue;
    }
    if (*answer) return std::unique_ptr<StaticExchange>(new StaticExchange(client, std::move(**answer)));
  }
  return nullptr;
}

void StaticExchange::begin() {
  client_.record().from_file = true;
  client_.record().status = answer_.status;
  if (!write_head()) return client_.answer(Trouble::app_failed);
  auto wanted = client_.codec().begin_bytes(0, answer_.length, client_.output().bytes());
  if (!wanted) return client_.abort();
  left_ = *wanted ? answer_.length : 0;
  if (left_ == 0) return end();
  send();
}

// Our own fields: not refused unless the files' names are stranger than headers allow.
bool StaticExchange::write_head() {
  auto& codec = client_.codec();
  auto& out = client_.output().bytes();
  if (!codec.start(0, answer_.status, out)) return false;
  for (const auto& [id, value] : answer_.fields)
    if (!codec.field(http::Header{http::header_name(id), value, id}, out)) return false;
  return codec.finish_head(0, answer_.length, out).has_value();
}

void StaticExchange::send() {
  if (!client_.flush(ClientOutput::More::follows)) return client_.output().want_room();
  auto offset = static_cast<off_t>(answer_.offset + answer_.length - left_);
  ssize_t count = ::sendfile(client_.socket(), answer_.file.get(), &offset, std::min(left_, kPerTurn));
  if (count < 0 && errno != EAGAIN && errno != EINTR) return client_.abort();
  if (count == 0) return client_.abort();  // the file became shorter than we said
  if (count > 0) {
    left_ -= static_cast<std::uint64_t>(count);
    client_.output().note_progress();
  }
  if (left_ == 0) return end();
  client_.output().want_room();
}

void StaticExchange::end() {
  auto& codec = client_.codec();
  codec.end_bytes(0, client_.output().bytes());
  if (!codec.end(0, client_.output().bytes())) return client_.abort();
  client_.record().bytes_out = codec.response().body_bytes();
  client_.finish();
}

}  // namespace edge
