// worker::Names: the Python strings that requests need again and again, interned once per interpreter. They live in the
// module's state, never in statics, so that each interpreter has its own.
#pragma once

#include "python/convert.h"

// member, text
#define SERAI_NAMES(X)                                         \
  X(type, "type")                                              \
  X(asgi, "asgi")                                              \
  X(http, "http")                                              \
  X(https, "https")                                            \
  X(http_version, "http_version")                              \
  X(http_version_10, "1.0")                                    \
  X(http_version_11, "1.1")                                    \
  X(http_version_2, "2")                                       \
  X(method, "method")                                          \
  X(scheme, "scheme")                                          \
  X(path, "path")                                              \
  X(raw_path, "raw_path")                                      \
  X(query_string, "query_string")                              \
  X(root_path, "root_path")                                    \
  X(headers, "headers")                                        \
  X(client, "client")                                          \
  X(server, "server")                                          \
  X(state, "state")                                            \
  X(extensions, "extensions")                                  \
  X(tls, "tls")                                                \
  X(status, "status")                                          \
  X(body, "body")                                              \
  X(more_body, "more_body")                                    \
  X(http_request, "http.request")                              \
  X(http_disconnect, "http.disconnect")                        \
  X(http_response_start, "http.response.start")                \
  X(http_response_body, "http.response.body")                  \
  X(http_response_pathsend, "http.response.pathsend")          \
  X(websocket, "websocket")                                    \
  X(ws, "ws")                                                  \
  X(wss, "wss")                                                \
  X(subprotocol, "subprotocol")                                \
  X(subprotocols, "subprotocols")                              \
  X(text, "text")                                              \
  X(bytes, "bytes")                                            \
  X(code, "code")                                              \
  X(reason, "reason")                                          \
  X(websocket_connect, "websocket.connect")                    \
  X(websocket_accept, "websocket.accept")                      \
  X(websocket_receive, "websocket.receive")                    \
  X(websocket_send, "websocket.send")                          \
  X(websocket_close, "websocket.close")                        \
  X(websocket_disconnect, "websocket.disconnect")              \
  X(websocket_response_start, "websocket.http.response.start") \
  X(websocket_response_body, "websocket.http.response.body")   \
  X(trailers, "trailers")                                      \
  X(create_task, "create_task")                                \
  X(get_task_factory, "get_task_factory")                      \
  X(task_factory, "_task_factory")                             \
  X(call_soon, "call_soon")                                    \
  X(context, "context")                                        \
  X(loop, "loop")                                              \
  X(eager_start, "eager_start")                                \
  X(done, "done")                                              \
  X(exception, "exception")                                    \
  X(cancelled, "cancelled")                                    \
  X(set_result, "set_result")                                  \
  X(add_done_callback, "add_done_callback")                    \
  X(close, "close")                                            \
  X(REQUEST_METHOD, "REQUEST_METHOD")                          \
  X(SCRIPT_NAME, "SCRIPT_NAME")                                \
  X(PATH_INFO, "PATH_INFO")                                    \
  X(RAW_URI, "RAW_URI")                                        \
  X(REQUEST_URI, "REQUEST_URI")                                \
  X(QUERY_STRING, "QUERY_STRING")                              \
  X(CONTENT_LENGTH, "CONTENT_LENGTH")                          \
  X(SERVER_NAME, "SERVER_NAME")                                \
  X(SERVER_PORT, "SERVER_PORT")                                \
  X(SERVER_PROTOCOL, "SERVER_PROTOCOL")                        \
  X(SERVER_SOFTWARE, "SERVER_SOFTWARE")                        \
  X(REMOTE_ADDR, "REMOTE_ADDR")                                \
  X(REMOTE_PORT, "REMOTE_PORT")                                \
  X(protocol_10, "HTTP/1.0")                                   \
  X(protocol_11, "HTTP/1.1")                                   \
  X(protocol_20, "HTTP/2.0")                                   \
  X(wsgi_version, "wsgi.version")                              \
  X(wsgi_url_scheme, "wsgi.url_scheme")                        \
  X(wsgi_input, "wsgi.input")                                  \
  X(wsgi_input_terminated, "wsgi.input_terminated")            \
  X(wsgi_errors, "wsgi.errors")                                \
  X(wsgi_multithread, "wsgi.multithread")                      \
  X(wsgi_multiprocess, "wsgi.multiprocess")                    \
  X(wsgi_run_once, "wsgi.run_once")                            \
  X(wsgi_file_wrapper, "wsgi.file_wrapper")                    \
  X(empty, "")

namespace worker {

struct Names {
#define SERAI_DECLARE(member, text) python::Ref member = python::interned(text);
  SERAI_NAMES(SERAI_DECLARE)
#undef SERAI_DECLARE
};

}  // namespace worker
