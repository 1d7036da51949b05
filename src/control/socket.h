// Bytes and descriptors over a Unix stream socket: the system calls beneath the channels.
#pragma once

#include <optional>
#include <string_view>

#include "control/decoder.h"

namespace control {

enum class Received { bytes, nothing_yet, end };
// One recvmsg(2) into the decoder. The end inside a frame is an error.
base::Result<Received> receive_some(int socket, Decoder& decoder);
// One sendmsg(2); `descriptors` ride on the first byte. Empty optional when it would block.
base::Result<std::optional<std::size_t>> send_some(int socket, std::string_view bytes,
                                                   const std::vector<base::Fd>& descriptors = {});

}  // namespace control
