// Client::run: the one call that hands descriptors over, so it speaks HTTP over a socket of its own. The request's
// first byte carries the three descriptors (SCM_RIGHTS); the answer is a stream of JSON lines.
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "client/client.h"
#include "client/connection.h"
#include "client/transfer.h"

namespace client {
namespace {

Result<void> send_with_descriptors(int socket, std::string_view bytes, const std::array<int, 3>& descriptors) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptors)> control{};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  auto* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof descriptors);
  auto sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  if (sent < 0) return base::errno_error("send the command to the daemon");
  return base::write_all(socket, bytes.substr(static_cast<std::size_t>(sent)));
}

// The status and the body of a whole answer; the body is close-delimited because we ask for it (HTTP/1.0).
Result<std::string> read_answer(int socket) {
  auto answer = base::read_all(socket, 1 << 20);
  if (!answer) return answer;
  auto head_end = answer->find("\r\n\r\n");
  if (head_end == std::string::npos || answer->size() < 12) {
    return base::fail(base::Kind::disconnected, "the daemon went away while the command ran");
  }
  long status = std::strtol(answer->c_str() + 9, nullptr, 10);
  return to_result(status, answer->substr(head_end + 4));
}

}  // namespace

Result<int> Client::run(const RunRequest& request) const {
  auto body = text_of(json{{"argv", request.argv}, {"terminal", request.terminal}});
  if (!body) return std::unexpected(body.error());
  auto socket = connect_to_daemon(this->socket());
  if (!socket) return std::unexpected(socket.error());
  auto bytes = fmt::format("POST /v1/apps/{}/run HTTP/1.0\r\nHost: serai\r\nContent-Length: {}\r\n\r\n{}",
                           encode(request.app), body->size(), *body);
  auto sent = send_with_descriptors(socket->get(), bytes, {request.stdin_fd, request.stdout_fd, request.stderr_fd});
  if (!sent) return std::unexpected(sent.error());
  auto answer = read_answer(socket->get());
  if (!answer) return std::unexpected(answer.error());
  auto result = json::parse(*answer, nullptr, false);
  if (!result.is_object() || !result.contains("exit_code")) {
    return base::fail(base::Kind::disconnected, "the daemon went away while the command ran");
  }
  return result["exit_code"].get<int>();
}

}  // namespace client
