#include "http/h1/codec.h"

namespace http::h1 {

base::Result<StreamId> ClientCodec::send_head(const OutgoingRequest& request, std::string& out) {
  if (!reusable()) return base::fail(base::Kind::conflict, "send a request: the one before it is not over");
  if (auto done = writer_.head(request, out); !done) return std::unexpected(std::move(done.error()));
  parser_.expect(find_method(request.method), request.upgrade);
  return StreamId{0};
}

}  // namespace http::h1
