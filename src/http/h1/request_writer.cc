#include "http/h1/request_writer.h"

#include "http/h1/append.h"
#include "http/h1/scan.h"

namespace http::h1 {
namespace {

bool is_target_part(std::string_view text) {
  const char* end = text.data() + text.size();
  return find_target_end(text.data(), end) == end;
}

base::Result<void> check(const OutgoingRequest& request) {
  bool has_path = request.path.starts_with('/') || request.path == "*";
  if (!is_token(request.method)) return base::invalid("the method {} is not a token", quoted(request.method));
  if (!has_path || !is_target_part(request.path) || request.path.find('?') != std::string_view::npos) {
    return base::invalid("{} is not the path of a request", quoted(request.path));
  }
  if (!is_target_part(request.query)) return base::invalid("{} is not a query", quoted(request.query));
  if (!request.host.empty() && !is_authority(request.host)) {
    return base::invalid("{} is not a host", quoted(request.host));
  }
  if (request.framing == Framing::until_close || (request.framing == Framing::chunked && request.host.empty())) {
    return base::invalid("the end of this request's body could not be told");
  }
  // A body before the other protocol's bytes is legal, but nobody needs it, and servers disagree on it.
  if (!request.upgrade.empty() && (!is_token(request.upgrade) || request.framing != Framing::none)) {
    return base::invalid("no upgrade to {} can be asked for with this request", quoted(request.upgrade));
  }
  return {};
}

base::Result<void> append_field(const Header& field, std::string& out) {
  if ((field.id == HeaderId::other && !is_token(field.name)) || has_control(field.value)) {
    return base::invalid("the request header {}: {} has characters that no header may have", quoted(field.name),
                         quoted(field.value));
  }
  append(out, field.name, ": ", field.value, "\r\n");
  return {};
}

// Written by us from the parsed form, whatever the fields say.
bool is_rewritten(HeaderId id) {
  return id == HeaderId::host || id == HeaderId::content_length || id == HeaderId::expect;
}

base::Result<void> append_fields(const OutgoingRequest& request, std::string& out) {
  for (const Header& field : request.headers) {
    if (is_rewritten(field.id) || request.drop[static_cast<std::size_t>(field.id)]) continue;
    if (is_hop_by_hop(field, request.headers, request.nominates)) continue;
    if (auto done = append_field(field, out); !done) return done;
  }
  for (const Header& field : request.extra) {
    if (auto done = append_field(field, out); !done) return done;
  }
  return {};
}

void append_start(const OutgoingRequest& request, std::string& out) {
  append(out, request.method, " ", request.path, request.has_query ? "?" : "", request.query,
         request.host.empty() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!request.host.empty()) append(out, "host: ", request.host, "\r\n");
}

}  // namespace

base::Result<void> RequestWriter::head(const OutgoingRequest& request, std::string& out) {
  if (!ended_) return base::invalid("a request was begun before the one before it had ended");
  if (auto good = check(request); !good) return good;
  const std::size_t before = out.size();
  append_start(request, out);
  if (auto done = append_fields(request, out); !done) {
    out.resize(before);
    return done;
  }
  if (request.framing == Framing::length) {
    append(out, "content-length: ", Digits(request.content_length).view(), "\r\n");
  } else if (request.framing == Framing::chunked) {
    append(out, "transfer-encoding: chunked\r\n");
  }
  if (request.accepts_trailers) append(out, "connection: te\r\nte: trailers\r\n");
  if (!request.upgrade.empty()) append(out, "connection: upgrade\r\nupgrade: ", request.upgrade, "\r\n");
  append(out, "\r\n");
  framing_ = request.framing;
  left_ = request.framing == Framing::length ? request.content_length : 0;
  ended_ = false;
  return {};
}

base::Result<void> RequestWriter::body(std::string_view bytes, std::string& out) {
  if (bytes.empty()) return {};
  if (ended_ || framing_ == Framing::none) return base::invalid("body bytes for a request that has no body");
  if (framing_ == Framing::chunked) {
    append(out, Digits(bytes.size(), 16).view(), "\r\n", bytes, "\r\n");
    return {};
  }
  if (bytes.size() > left_) return base::invalid("the request body is longer than its Content-Length");
  left_ -= bytes.size();
  append(out, bytes);
  return {};
}

base::Result<void> RequestWriter::end(std::string& out) {
  if (ended_) return base::invalid("a request was ended that had not begun");
  if (left_ > 0) return base::invalid("the request body ended {} bytes before its Content-Length", left_);
  if (framing_ == Framing::chunked) append(out, "0\r\n\r\n");
  ended_ = true;
  return {};
}

}  // namespace http::h1
