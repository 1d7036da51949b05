// control_plane::api::Exchange: one request over the API socket and its answer. Blocking; owned by its connection's
// thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "http/h1/codec.h"

namespace control_plane::api {

using base::Result;
using nlohmann::json;

class Exchange {
 public:
  Exchange(base::Fd socket, uid_t peer);
  // Waits for the head; an empty optional when the peer left without asking anything.
  Result<bool> read_head();

  const std::string& method() const { return method_; }
  const std::string& path() const { return path_; }  // percent-encoded
  // A query parameter, decoded; empty when absent.
  std::string query(const std::string& name) const;
  uid_t peer() const { return peer_; }
  // Descriptors that rode on the request.
  std::vector<base::Fd>& descriptors() { return descriptors_; }

  // The whole body as a JSON object, of at most 4 MiB.
  Result<json> read_json();
  // The body piece by piece; fails once there are more than `limit` bytes.
  Result<void> read_body(std::uint64_t limit, const std::function<Result<void>(std::string_view)>& sink);

  void answer(int status, const json& value);
  void answer(const base::Error& error);
  // A stream of JSON lines; an error means that the peer is gone.
  Result<void> begin_stream();
  Result<void> line(const json& value);
  void end_stream();
  bool has_answered() const { return answered_; }
  bool is_peer_gone() const;
  int descriptor() const { return socket_.get(); }  // to be polled for the peer's going
  // Wakes a blocked read or write from another thread, for good.
  void abort();

 private:
  Result<http::Event> next_event();
  Result<void> receive();
  Result<void> flush();
  void keep(const http::RequestHead& head);

  base::Fd socket_;
  uid_t peer_;
  http::h1::ServerCodec codec_;
  std::string input_, output_;
  std::size_t consumed_ = 0;
  std::string method_, path_, query_;
  std::vector<base::Fd> descriptors_;
  bool answered_ = false, body_ended_ = false;
};

// Percent-decodes; nullopt-like failure is an invalid error.
Result<std::string> decode(std::string_view text);

}  // namespace control_plane::api
