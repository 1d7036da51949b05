#include "http/h1/response_writer.h"

#include <charconv>
#include <cstring>

#include "base/memory.h"
#include "http/date.h"
#include "http/h1/append.h"
#include "http/h1/field_parser.h"
#include "http/h1/scan.h"

namespace http::h1 {
namespace {

// For every field of every answer, so without a result that has to be built and destroyed.
inline bool is_good(const Header& header) {
  return (header.id != HeaderId::other || is_token(header.name)) && !has_control(header.value);
}

}  // namespace

ResponseWriter::ResponseWriter(std::string_view server_name) {
  if (!server_name.empty()) server_line_ = fmt::format("server: {}\r\n", server_name);
}

void ResponseWriter::begin(Method method, std::uint8_t minor_version, bool keep_alive) {
  state_ = State::begun;
  method_ = method;
  minor_version_ = minor_version;
  keep_alive_ = keep_alive;
  has_date_ = has_server_ = false;
  framing_ = Framing::none;
  status_ = 0;
  length_.reset();
  sent_ = 0;
  if (!trailers_.empty()) trailers_.clear();
}

base::Result<void> ResponseWriter::start(int status, std::string& out, std::string_view reason) {
  if (state_ != State::begun) return refuse("a response was started twice or without a request");
  if (status < 200 || status > 999) return refuse(fmt::format("{} is not the status of a final response", status));
  status_ = status;
  state_ = State::fields;
  if (status == 200 && (reason.empty() || reason == "OK")) {
    append(out, "HTTP/1.1 200 OK\r\n");
  } else {
    char digits[] = {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                     static_cast<char>('0' + status % 10)};
    append(out, "HTTP/1.1 ", std::string_view(digits, 3), " ",
           reason.empty() || has_control(reason) ? reason_phrase(status) : reason, "\r\n");
  }
  return {};
}

base::Result<void> ResponseWriter::check(const Header& header) {
  if (is_good(header)) return {};
  if (!is_token(header.name)) {
    return refuse(fmt::format("the response header name {} is not a token", quoted(header.name)));
  }
  return refuse(fmt::format("the value of the response header {} has a line end or another control character: {}",
                            header.name, quoted(header.value)));
}

base::Result<void> ResponseWriter::field(const Header& header, std::string& out) {
  if (state_ != State::fields) return refuse("a response header outside of the head");
  if (!is_good(header)) [[unlikely]]
    return check(header);
  if (!is_ours(header.id)) {
    append(out, header.name, ": ", header.value, "\r\n");
    return {};
  }
  return take_over(header, out);
}

// Fields in which this class has a say.
bool ResponseWriter::is_ours(HeaderId id) {
  switch (id) {
    case HeaderId::connection:
    case HeaderId::content_length:
    case HeaderId::date:
    case HeaderId::keep_alive:
    case HeaderId::proxy_connection:
    case HeaderId::server:
    case HeaderId::te:
    case HeaderId::trailer:
    case HeaderId::transfer_encoding:
    case HeaderId::upgrade:
      return true;
    default:
      return false;
  }
}

base::Result<void> ResponseWriter::take_over(const Header& header, std::string& out) {
  switch (header.id) {
    case HeaderId::date:
    case HeaderId::server:
      (header.id == HeaderId::date ? has_date_ : has_server_) = true;
      append(out, header.name, ": ", header.value, "\r\n");
      return {};
    case HeaderId::content_length:
      return note_length(header.value);
    case HeaderId::connection:
      for_each_token(header.value, [this](std::string_view option) {
        if (matches(option, "close")) keep_alive_ = false;
      });
      return {};
    default:
      return {};  // hop-by-hop: not the application's
  }
}

base::Result<void> ResponseWriter::note_length(std::string_view value) {
  std::uint64_t length = 0;
  if (!parse_decimal(value, length)) return refuse(fmt::format("the Content-Length {} is not a number", quoted(value)));
  if (length_ && *length_ != length) {
    return refuse(fmt::format("two different Content-Length headers, {} and {}", *length_, length));
  }
  length_ = length;
  return {};
}

base::Result<void> ResponseWriter::finish_head(std::optional<std::uint64_t> length, std::string& out) {
  if (state_ != State::fields) return refuse("the head of a response was finished twice or never started");
  bool bodiless = method_ == Method::head || status_forbids_body(status_);
  if (length && length_ && *length != *length_ && !bodiless) {
    return refuse(fmt::format("the Content-Length says {} bytes, the body has {}", *length_, *length));
  }
  state_ = State::body;
  if (bodiless) {
    framing_ = Framing::none;
    // An empty body in answer to HEAD says nothing about the length that GET would have.
    if (!length_ && method_ == Method::head && length.value_or(0) > 0) length_ = length;
    if (status_ == 204) length_.reset();  // RFC 9110 section 8.6
  } else {
    choose_framing(length);
  }
  append_framing(out);
  return {};
}

void ResponseWriter::choose_framing(std::optional<std::uint64_t> length) {
  if (!length_) length_ = length;
  if (length_) {
    framing_ = Framing::length;
  } else if (minor_version_ == 1) {
    framing_ = Framing::chunked;
  } else {
    framing_ = Framing::until_close;
    keep_alive_ = false;
  }
}

void ResponseWriter::append_framing(std::string& out) const {
  const Digits digits(length_.value_or(0));
  std::string_view framing[3] = {};
  if (length_) {
    framing[0] = "content-length: ", framing[1] = digits.view(), framing[2] = "\r\n";
  } else if (framing_ == Framing::chunked) {
    framing[0] = "transfer-encoding: chunked\r\n";
  }
  std::string_view connection = !keep_alive_          ? "connection: close\r\n"
                                : minor_version_ == 0 ? "connection: keep-alive\r\n"
                                                      : std::string_view{};
  append(out, framing[0], framing[1], framing[2], connection,
         has_server_ ? std::string_view{} : std::string_view(server_line_),
         has_date_ ? std::string_view{} : current_date_line(), "\r\n");
}

base::Result<void> ResponseWriter::body(std::string_view bytes, std::string& out) {
  auto wanted = begin_bytes(bytes.size(), out);
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  if (!*wanted) return {};
  append(out, bytes);
  end_bytes(out);
  return {};
}

base::Result<bool> ResponseWriter::begin_bytes(std::uint64_t size, std::string& out) {
  if (state_ != State::body) return refuse("body bytes before the head of the response or after its end");
  if (framing_ == Framing::none || size == 0) return false;
  if (framing_ == Framing::length && size > *length_ - sent_) {
    return refuse(fmt::format("the body is longer than the Content-Length of {} bytes", *length_));
  }
  sent_ += size;
  if (framing_ == Framing::chunked) {
    Digits digits(size, 16);
    append(out, digits.view(), "\r\n");
  }
  return true;
}

void ResponseWriter::end_bytes(std::string& out) {
  if (framing_ == Framing::chunked) append(out, "\r\n");
}

base::Result<void> ResponseWriter::end(std::string& out) {
  if (state_ != State::body) return refuse("a response was ended before its head or twice");
  state_ = State::ended;
  if (framing_ == Framing::length && sent_ < *length_) {
    return refuse(fmt::format("the body ended after {} of the {} bytes that Content-Length says", sent_, *length_));
  }
  if (framing_ == Framing::chunked) append(out, "0\r\n", trailers_, "\r\n");
  if (!trailers_.empty()) base::give_back(trailers_, 0);
  return {};
}

base::Result<void> ResponseWriter::trailer(const Header& header) {
  if (state_ != State::body) return refuse("a trailer field before the head of the response or after its end");
  if (auto good = check(header); !good) return good;
  if (framing_ == Framing::chunked && !is_ours(header.id)) append(trailers_, header.name, ": ", header.value, "\r\n");
  return {};
}

base::Result<void> ResponseWriter::inform(int status, std::span<const Header> fields, std::string& out) {
  if (status < 100 || status > 199 || status == 101) {
    return refuse(fmt::format("{} is not the status of an informational response", status));
  }
  if (head_is_finished()) return refuse("an informational response behind the final one");
  for (const Header& header : fields)
    if (auto good = check(header); !good) return good;
  if (minor_version_ == 0) return {};
  append(out, "HTTP/1.1 ", Digits(static_cast<std::uint64_t>(status)).view(), " ", reason_phrase(status), "\r\n");
  for (const Header& header : fields)
    if (!is_ours(header.id)) append(out, header.name, ": ", header.value, "\r\n");
  append(out, "\r\n");
  return {};
}

void ResponseWriter::write_continue(std::string& out) { append(out, "HTTP/1.1 100 Continue\r\n\r\n"); }

base::Result<void> ResponseWriter::switch_protocols(std::string_view protocol, std::span<const Header> fields,
                                                    std::string& out) {
  if (state_ != State::begun) return refuse("a response was started twice or without a request");
  const std::size_t before = out.size();
  status_ = 101;
  state_ = State::fields;
  append(out, "HTTP/1.1 101 Switching Protocols\r\nupgrade: ", protocol, "\r\nconnection: upgrade\r\n");
  for (const Header& header : fields) {
    if (auto done = field(header, out); !done) {
      out.resize(before);
      begin(method_, minor_version_, keep_alive_);
      return done;
    }
  }
  append(out, has_server_ ? std::string_view{} : std::string_view(server_line_),
         has_date_ ? std::string_view{} : current_date_line(), "\r\n");
  state_ = State::body;
  keep_alive_ = false;
  return {};
}

// A response that went wrong in the middle must not be followed by another one.
std::unexpected<base::Error> ResponseWriter::refuse(std::string message) {
  if (head_is_finished()) keep_alive_ = false;
  return std::unexpected(base::Error(base::Kind::invalid, std::move(message)));
}

}  // namespace http::h1
