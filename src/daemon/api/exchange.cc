#include "daemon/api/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error_json.h"

namespace control_plane::api {
namespace {

constexpr std::uint64_t kMostJson = 4 << 20;

http::Limits api_limits() {
  http::Limits limits;
  limits.body_bytes = 8ull << 30;  // each handler sets its own
  return limits;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return base::invalid("read a path: {} has a broken percent escape", text);
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Exchange::Exchange(base::Fd socket, uid_t peer) : socket_(std::move(socket)), peer_(peer), codec_(api_limits()) {}

Result<void> Exchange::receive() {
  std::array<char, 65536> bytes;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n;
  do n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return base::errno_error("read an API request");
  for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  if (descriptors_.size() > 8) return base::invalid("read an API request: it carries too many descriptors");
  if (n == 0) return base::fail(base::Kind::disconnected, "the API's peer is gone");
  input_.append(bytes.data(), static_cast<std::size_t>(n));
  return {};
}

// The views of an event stay valid until the next call.
Result<http::Event> Exchange::next_event() {
  for (;;) {
    input_.erase(0, std::exchange(consumed_, 0));
    auto event = codec_.next(input_);
    consumed_ = event.consumed;
    if (event.kind == http::Event::Kind::failed) {
      return std::unexpected(base::Error(base::Kind::invalid, std::string(codec_.problem().reason)));
    }
    if (event.kind != http::Event::Kind::need_input) return event;
    if (auto received = receive(); !received) return std::unexpected(received.error());
  }
}

void Exchange::keep(const http::RequestHead& head) {
  method_ = head.method_name;
  path_ = head.path;
  query_ = head.query;
  if (head.expect_continue) codec_.write_continue(0, output_);
}

Result<bool> Exchange::read_head() {
  auto event = next_event();
  if (!event) {
    if (event.error().kind() == base::Kind::disconnected) return false;
    codec_.begin_error_answer();
    return std::unexpected(event.error());
  }
  if (event->kind != http::Event::Kind::head) return base::invalid("read an API request: it has no head");
  keep(codec_.head(0));
  codec_.announce_close();
  if (auto flushed = flush(); !flushed) return false;
  return true;
}

std::string Exchange::query(const std::string& name) const {
  std::string_view rest = query_;
  while (!rest.empty()) {
    auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return decode(pair.substr(name.size() + 1)).value_or("");
    }
  }
  return "";
}

Result<void> Exchange::read_body(std::uint64_t limit, const std::function<Result<void>(std::string_view)>& sink) {
  codec_.set_body_limit(0, limit);
  while (!body_ended_) {
    auto event = next_event();
    if (!event) return std::unexpected(event.error());
    if (event->kind == http::Event::Kind::body) {
      if (auto taken = sink(event->body); !taken) return taken;
    } else {
      body_ended_ = true;
    }
  }
  return {};
}

Result<json> Exchange::read_json() {
  std::string text;
  auto read = read_body(kMostJson, [&](std::string_view bytes) -> Result<void> {
    text += bytes;
    return {};
  });
  if (!read) return std::unexpected(read.error());
  if (text.empty()) return json::object();
  auto value = json::parse(text, nullptr, false);
  if (!value.is_object()) return base::invalid("read an API request: its body is no JSON object");
  return value;
}

Result<void> Exchange::flush() {
  auto written = base::write_all(socket_.get(), output_);
  output_.clear();
  return written;
}

void Exchange::answer(int status, const json& value) {
  if (std::exchange(answered_, true)) return;
  auto text = value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  (void)codec_.start(0, status, output_);
  (void)codec_.field(0, "content-type", "application/json", output_);
  (void)codec_.finish_head(0, text.size(), output_);
  (void)codec_.body(0, text, output_);
  (void)codec_.end(0, output_);
  (void)flush();
}

void Exchange::answer(const base::Error& error) {
  answer(base::kind_facts(error.kind()).http_status, base::to_json(error));
}

Result<void> Exchange::begin_stream() {
  answered_ = true;
  (void)codec_.start(0, 200, output_);
  (void)codec_.field(0, "content-type", "application/x-ndjson", output_);
  (void)codec_.finish_head(0, std::nullopt, output_);
  return flush();
}

Result<void> Exchange::line(const json& value) {
  (void)codec_.body(0, value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", output_);
  return flush();
}

void Exchange::end_stream() {
  (void)codec_.end(0, output_);
  (void)flush();
}

bool Exchange::is_peer_gone() const {
  pollfd fd{socket_.get(), POLLRDHUP, 0};
  return ::poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void Exchange::abort() { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace control_plane::api
