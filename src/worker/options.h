// worker::Options: what a server may be told, with the defaults of `serai serve`. Read once from a Python dict; the
// keys and their meaning are described in python/serai/_engine.pyi.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "http/response_coding.h"
#include "python/ref.h"

namespace tls {
class Context;
}

namespace worker {

using std::chrono::nanoseconds;

// A folder whose files are served below a path.
struct StaticMount {
  std::string prefix;  // begins with a slash and does not end with one; "" for all paths
  std::string folder;
};

struct Options {
  std::string root_path;
  std::string server_header = "serai";
  std::vector<std::string> forwarded_allow;

  std::size_t max_body = 32 << 20;  // 0: no limit
  std::size_t max_header_bytes = 32768;
  std::size_t max_headers = 100;
  std::size_t max_target = 8192;

  bool http2 = true;  // after the preface on plain sockets; under TLS the context's ALPN decides

  bool ws_deflate = true;
  std::size_t ws_max_size = 16 << 20;  // of a message; 0: no limit
  nanoseconds ws_ping_interval = std::chrono::seconds(20);
  nanoseconds ws_ping_timeout = std::chrono::seconds(20);

  nanoseconds header_timeout = std::chrono::seconds(10);
  nanoseconds body_timeout = std::chrono::seconds(30);
  nanoseconds keep_alive_timeout = std::chrono::seconds(60);
  nanoseconds write_timeout = std::chrono::seconds(60);
  nanoseconds graceful_timeout = std::chrono::seconds(30);
  nanoseconds request_timeout{};    // of the application, for one response; 0: none
  std::size_t max_concurrency = 0;  // ASGI: requests in the application at a time; 0: no limit
  std::size_t max_queue = 0;        // requests that wait for the application; 0: no limit
  nanoseconds queue_timeout{};      // how long they wait at most; 0: no limit

  bool limits_queue() const { return max_queue > 0 || queue_timeout > nanoseconds(0); }

  http::CodingOptions compress;  // no codings: off
  enum class RequestId { off, trust, generate };
  RequestId request_id = RequestId::off;
  std::string request_id_header = "x-request-id";

  std::vector<StaticMount> statics;  // files come before the application
  bool static_index = false;         // "folder/" is answered with "folder/index.html"
  std::chrono::seconds static_max_age = std::chrono::seconds(60);

  std::size_t backlog_limit = 0;  // open connections; 0: no limit
  std::size_t threads = 1;
  std::size_t max_response_spool = 1 << 30;
  bool multiprocess = false;
  bool measure = false;  // keep histograms (counters.h)

  std::shared_ptr<tls::Context> tls;  // unset: plain HTTP
  nanoseconds tls_handshake_timeout = std::chrono::seconds(10);

  int access_log = -1;
  bool access_log_json = false;
  std::string access_log_pattern;  // http/access_pattern.h; empty: none
  python::Ref page;                // writable buffer of counters.h's layout, or unset
};

// Throws python::Raised with TypeError or ValueError that names the key.
Options read_options(PyObject* dict);

}  // namespace worker
