// edge::RequestRecord: what is remembered of one request until its answer is over, for the access log and the counters.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "edge/app_runtime.h"
#include "edge/request_id.h"
#include "http/message.h"

namespace edge {

class RequestRecord {
 public:
  // Begins with a head (copied as far as needed) or, for bytes that were no request, with null.
  void begin(Context& context, const http::RequestHead* head, std::string_view peer);
  bool is_begun() const { return begun_; }
  // Whose request it is; counted as in flight from here on.
  void belongs_to(std::shared_ptr<AppRuntime> runtime, std::string_view app);
  AppRuntime* runtime() const { return runtime_.get(); }

  RequestId id;
  int status = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // of bodies
  bool aborted = false;                       // by the client
  bool from_file = false;
  bool by_second_place = false;  // of a split
  std::string_view accept() const { return piece(accept_); }

  // Logs and counts.
  void finish(Context& context);

 private:
  struct Piece {
    std::uint32_t from = 0, size = 0;
  };
  void count(AppCounters& counters, std::chrono::nanoseconds took) const;
  void log(Context& context, std::chrono::nanoseconds took) const;
  Piece keep(std::string_view text);
  std::string_view piece(Piece piece) const { return std::string_view(text_).substr(piece.from, piece.size); }

  bool begun_ = false;
  std::shared_ptr<AppRuntime> runtime_;
  net::Clock::time_point started_;
  std::string text_;  // the pieces behind each other
  Piece method_, target_, host_, referer_, user_agent_, accept_, peer_, app_;
  std::uint8_t major_version_ = 1, minor_version_ = 1;
};

}  // namespace edge
