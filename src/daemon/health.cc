#include "daemon/health.h"

#include <poll.h>

#include <array>
#include <thread>

#include "http/h1/codec.h"

namespace control_plane {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

base::Result<void> wait_for(int fd, short events, Clock::time_point deadline) {
  auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) return base::fail(base::Kind::unavailable, "no answer in time");  // also for one that never ends
  pollfd polled{fd, events, 0};
  int n = ::poll(&polled, 1, static_cast<int>(std::max<long long>(left, 0)));
  if (n < 0 && errno != EINTR) return base::errno_error("wait for the app's answer");
  if (n == 0) return base::fail(base::Kind::unavailable, "no answer in time");
  return {};
}

base::Result<void> send(int fd, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    if (auto ready = wait_for(fd, POLLOUT, deadline); !ready) return ready;
    auto sent = base::write_some(fd, bytes);
    if (!sent) return std::unexpected(sent.error());
    bytes.remove_prefix(sent->value_or(0));
  }
  return {};
}

base::Result<int> receive_status(int fd, http::ClientCodec& codec, Clock::time_point deadline) {
  std::string input;
  std::array<char, 8192> chunk;
  for (;;) {
    auto event = codec.next(input);
    if (event.kind == http::Event::Kind::head) return codec.head(0).status;
    if (event.kind == http::Event::Kind::failed) {
      return base::fail(base::Kind::disconnected, "the answer is no HTTP: {}", codec.problem().reason);
    }
    input.erase(0, event.consumed);
    if (event.kind == http::Event::Kind::interim) continue;
    if (auto ready = wait_for(fd, POLLIN, deadline); !ready) return std::unexpected(ready.error());
    auto n = base::read_some(fd, chunk);
    if (!n) return std::unexpected(n.error());
    if (*n && **n == 0) return base::fail(base::Kind::disconnected, "the connection was closed without an answer");
    input.append(chunk.data(), n->value_or(0));
  }
}

std::string request_for(const HealthCheck& check, http::ClientCodec& codec) {
  const http::Header headers[] = {{"user-agent", "serai-health"}, {"accept", "*/*"}, {"x-forwarded-proto", "http"}};
  auto question = check.path.find('?');
  http::OutgoingRequest request;
  request.method = "GET";
  request.path = std::string_view(check.path).substr(0, question);
  request.has_query = question != std::string::npos;
  if (request.has_query) request.query = std::string_view(check.path).substr(question + 1);
  request.host = check.host;
  request.headers = headers;
  std::string out;
  if (auto stream = codec.send_head(request, out)) (void)codec.send_end(*stream, out);
  return out;
}

}  // namespace

base::Result<int> ask_once(const HealthCheck& check) {
  auto deadline = Clock::now() + check.request_limit;
  auto socket = net::connect(check.address);
  if (!socket) return std::unexpected(socket.error());
  if (auto ready = wait_for(socket->get(), POLLOUT, deadline); !ready) return std::unexpected(ready.error());
  if (int error = net::socket_error(socket->get()))
    return std::unexpected(base::Error::from_errno("connect to the app", error));
  http::h1::ClientCodec codec;
  if (auto sent = send(socket->get(), request_for(check, codec), deadline); !sent) return std::unexpected(sent.error());
  return receive_status(socket->get(), codec, deadline);
}

base::Result<Healthy> wait_until_healthy(const HealthCheck& check,
                                         const std::function<base::Result<void>()>& is_alive) {
  auto begin = Clock::now();
  auto pause = milliseconds(5);
  std::string last;
  while (Clock::now() - begin < check.time_limit) {
    auto status = ask_once(check);
    if (status && *status < 500)
      return Healthy{*status, std::chrono::duration_cast<milliseconds>(Clock::now() - begin)};
    last = status ? fmt::format("GET {} with Host {} was answered with {}", check.path, check.host, *status)
                  : status.error().describe();
    if (auto alive = is_alive(); !alive) return std::unexpected(alive.error());
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds(500));
  }
  return std::unexpected(base::Error(
      base::Kind::unavailable,
      fmt::format("no answer below 500 within {} s; the last try: {}", check.time_limit.count() / 1000, last),
      "make the health path answer below 500 ([web] health in serai.toml)"));
}

}  // namespace control_plane
