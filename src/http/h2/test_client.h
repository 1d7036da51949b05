// For tests: the other side of a ServerCodec, over nghttp2's client, and frames made by hand for what no client sends.
#pragma once

#include <nghttp2/nghttp2.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/h2/server_codec.h"

namespace http::h2::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline Fields get(std::string_view path = "/", const Fields& more = {}) {
  Fields fields = {{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", std::string(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline Fields post(std::string_view path = "/", const Fields& more = {}) {
  Fields fields = get(path, more);
  fields[0].second = "POST";
  return fields;
}

// A frame by hand: length, type, flags, stream, payload (RFC 9113 section 4.1).
inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload = {}) {
  std::string bytes;
  for (int shift : {16, 8, 0}) bytes += static_cast<char>(payload.size() >> shift & 0xff);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(stream >> shift & 0xff);
  return bytes.append(payload);
}

inline std::string number(std::uint32_t value) {
  std::string bytes;
  for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

// Literal fields without indexing or Huffman codes (RFC 7541 section 6.2.2); names and values below 127 bytes.
inline std::string block(const Fields& fields) {
  std::string bytes;
  for (const auto& [name, value] : fields) {
    bytes += '\0';
    bytes += static_cast<char>(name.size());
    bytes += name;
    bytes += static_cast<char>(value.size());
    bytes += value;
  }
  return bytes;
}

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr std::uint8_t end_stream = NGHTTP2_FLAG_END_STREAM, end_headers = NGHTTP2_FLAG_END_HEADERS;

// The beginning of a connection, by hand.
inline std::string opening() { return std::string(preface) + frame(NGHTTP2_SETTINGS, 0, 0); }

// What a client has received of one stream.
struct Reply {
  Fields fields, trailers;
  std::vector<Fields> interim;
  std::string body;
  bool in_trailers = false, ended = false, closed = false;
  std::uint32_t code = 0;  // of its end

  std::string operator[](std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return "(none)";
  }
};

struct ClientOptions {
  std::vector<nghttp2_settings_entry> settings;
  bool takes_body = true;  // opens its windows again for what it gets
};

class Client {
 public:
  explicit Client(const ClientOptions& chosen = {}) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);  // so that it sends what it should not
    if (!chosen.takes_body) nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new2(&session, callbacks, this, option);
    session_.reset(session);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, 0, chosen.settings.data(), chosen.settings.size());
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends a request; with `open`, its body comes later by `send`.
  StreamId request(const Fields& fields, std::string_view body = {}, bool open = false) {
    std::vector<nghttp2_nv> nva = as_nva(fields);
    const nghttp2_data_provider provider = {.source = {}, .read_callback = read};
    const bool has_body = open || !body.empty();
    const std::int32_t id =
        nghttp2_submit_request(get(), nullptr, nva.data(), nva.size(), has_body ? &provider : nullptr, nullptr);
    const auto stream = static_cast<StreamId>(id);
    uploads_[stream] = {std::string(body), {}, open, false};
    return stream;
  }
  void send(StreamId stream, std::string_view body, bool last = false, const Fields& trailers = {}) {
    Upload& upload = uploads_[stream];
    upload.body += body;
    upload.open = !last;
    upload.trailers = trailers;
    nghttp2_session_resume_data(get(), static_cast<std::int32_t>(stream));
  }
  nghttp2_session* get() { return session_.get(); }

  std::string output() {
    std::string bytes;
    for (;;) {
      const std::uint8_t* part = nullptr;
      const ssize_t size = nghttp2_session_mem_send(get(), &part);
      if (size <= 0) return bytes;
      bytes.append(reinterpret_cast<const char*>(part), static_cast<std::size_t>(size));
    }
  }
  void input(std::string_view bytes) {
    ssize_t taken = nghttp2_session_mem_recv(get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken != static_cast<ssize_t>(bytes.size())) failure = nghttp2_strerror(static_cast<int>(taken));
  }

  std::map<StreamId, Reply> replies;
  std::map<std::uint32_t, std::uint32_t> settings;  // of the server
  std::vector<std::uint32_t> goaways;               // their codes
  std::vector<std::uint32_t> goaway_streams;        // their last streams
  std::string failure;

 private:
  struct Upload {
    std::string body;
    Fields trailers;
    bool open = false, over = false;
  };
  struct Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  static std::vector<nghttp2_nv> as_nva(const Fields& fields) {
    std::vector<nghttp2_nv> nva;
    auto bytes = [](const std::string& text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // NOLINT: nghttp2 copies
    };
    for (const auto& [name, value] : fields) nva.push_back({bytes(name), bytes(value), name.size(), value.size(), 0});
    return nva;
  }
  static Client& self(void* user) { return *static_cast<Client*>(user); }
  Reply& reply(const nghttp2_frame* frame) { return replies[static_cast<StreamId>(frame->hd.stream_id)]; }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Reply& reply = self(user).reply(frame);
    if (reply.fields.empty()) return 0;
    if (reply[":status"].starts_with('1')) {
      reply.interim.push_back(std::exchange(reply.fields, {}));
    } else {
      reply.in_trailers = true;
    }
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Reply& reply = self(user).reply(frame);
    Fields& into = reply.in_trailers ? reply.trailers : reply.fields;
    into.emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                      std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Client& client = self(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      client.goaways.push_back(frame->goaway.error_code);
      client.goaway_streams.push_back(static_cast<std::uint32_t>(frame->goaway.last_stream_id));
    }
    if (frame->hd.type == NGHTTP2_SETTINGS) {
      for (std::size_t i = 0; i < frame->settings.niv; ++i) {
        client.settings[static_cast<std::uint32_t>(frame->settings.iv[i].settings_id)] = frame->settings.iv[i].value;
      }
    }
    const bool is_message = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (is_message && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) client.reply(frame).ended = true;
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                     void* user) {
    self(user).replies[static_cast<StreamId>(stream)].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
    Reply& reply = self(user).replies[static_cast<StreamId>(stream)];
    reply.closed = true;
    reply.code = code;
    return 0;
  }
  static ssize_t read(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t most,
                      std::uint32_t* flags, nghttp2_data_source*, void* user) {
    Upload& upload = self(user).uploads_[static_cast<StreamId>(stream)];
    const std::size_t size = upload.body.copy(reinterpret_cast<char*>(into), most);
    upload.body.erase(0, size);
    const bool is_last = upload.body.empty() && !upload.open;
    if (size == 0 && !is_last) return NGHTTP2_ERR_DEFERRED;
    if (!is_last) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!upload.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> nva = as_nva(upload.trailers);
      nghttp2_submit_trailer(session, stream, nva.data(), nva.size());
    }
    return static_cast<ssize_t>(size);
  }

  std::unique_ptr<nghttp2_session, Deleter> session_;
  std::map<StreamId, Upload> uploads_;
};

}  // namespace http::h2::test
