#include "control/socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace control {
namespace {

using Ancillary = std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))>;

std::vector<base::Fd> take_descriptors(msghdr& header) {
  std::vector<base::Fd> descriptors;
  for (auto* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

void put_descriptors(msghdr& header, Ancillary& space, const std::vector<base::Fd>& descriptors) {
  header.msg_control = space.data();
  header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  auto* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  for (std::size_t i = 0; i < descriptors.size(); i++) {
    int fd = descriptors[i].get();
    std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
  }
}

}  // namespace

base::Result<Received> receive_some(int socket, Decoder& decoder) {
  std::array<char, 65536> buffer;
  alignas(cmsghdr) Ancillary space;
  iovec bytes{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = space.data();
  header.msg_controllen = space.size();
  ssize_t count = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return Received::nothing_yet;
    return base::errno_error("receive a control message");
  }
  auto descriptors = take_descriptors(header);
  if (header.msg_flags & MSG_CTRUNC) {
    return base::fail(base::Kind::overloaded, "descriptors of a control message were lost: more than {} or none left",
                      kMaxDescriptors);
  }
  if (count == 0) {
    if (!decoder.is_at_boundary())
      return base::fail(base::Kind::disconnected, "the peer left inside a control message");
    return Received::end;
  }
  auto taken = decoder.take({buffer.data(), static_cast<std::size_t>(count)}, std::move(descriptors));
  if (!taken) return std::unexpected(taken.error());
  return Received::bytes;
}

base::Result<std::optional<std::size_t>> send_some(int socket, std::string_view bytes,
                                                   const std::vector<base::Fd>& descriptors) {
  alignas(cmsghdr) Ancillary space{};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) put_descriptors(header, space, descriptors);
  ssize_t count = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  if (count >= 0) return static_cast<std::size_t>(count);
  if (errno == EAGAIN || errno == EINTR) return std::nullopt;
  return base::errno_error("send a control message");
}

}  // namespace control
