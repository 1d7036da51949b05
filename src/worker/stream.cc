#include "worker/stream.h"

namespace worker {

std::string_view Stream::forwarded_client() const {
  std::string_view client;
  for (auto header = head().headers.rbegin(); header != head().headers.rend(); ++header) {
    if (header->id != http::HeaderId::x_forwarded_for) continue;
    std::string_view found = ends_.trusted_peers.client_of(header->value);
    if (!found.empty()) client = found;
    if (!client.empty() && !ends_.trusted_peers.contains(client)) break;
  }
  return client;
}

}  // namespace worker
