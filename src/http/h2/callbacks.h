// http::h2::Callbacks: what nghttp2 tells the codec, and asks of it, while it reads and writes.
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/h2/server_codec.h"

namespace http::h2 {

struct Callbacks {
  // For nghttp2_session_server_new3; the user data is the codec.
  static const nghttp2_session_callbacks* table();

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* user);
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t flags, void* user);
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                               std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                               std::uint8_t flags, void* user);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
  static int on_data(nghttp2_session*, std::uint8_t flags, std::int32_t stream, const std::uint8_t* data,
                     std::size_t size, void* user);
  static int on_stream_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user);

  // The body of an answer: how long the next DATA frame may be, how much of it there is, and then the frame itself.
  static ssize_t choose_length(nghttp2_session*, std::uint8_t type, std::int32_t stream, std::int32_t session_window,
                               std::int32_t stream_window, std::uint32_t most, void* user);
  static ssize_t read_body(nghttp2_session*, std::int32_t stream, std::uint8_t*, std::size_t most, std::uint32_t* flags,
                           nghttp2_data_source*, void* user);
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* header, std::size_t size,
                       nghttp2_data_source*, void* user);
  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);

 private:
  static int end_of_head(ServerCodec& codec, Stream& stream, const nghttp2_frame& frame);
  static int check_rate(ServerCodec& codec, const nghttp2_frame_hd& header);
  static int calm(ServerCodec& codec, bool good);
};

// The fields in the form that nghttp2 wants them in; views into `fields`, which must stay as it is until they are sent.
void append_fields(const FieldStore& fields, std::vector<nghttp2_nv>& into);
nghttp2_nv as_nv(std::string_view name, std::string_view value);

}  // namespace http::h2
