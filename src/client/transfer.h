// client::Transfer: one HTTP exchange over a Unix socket through libcurl.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"

namespace client {

// What the API answered. A status of 400 and above is turned into the base::Error that the daemon described.
base::Result<std::string> to_result(long status, std::string body);

// The error for a daemon that is not there.
std::unexpected<base::Error> unreachable(const std::string& socket);

class Transfer {
 public:
  Transfer(const char* method, const std::string& socket, const std::string& path);
  void send(const std::string& json);
  // Sends a body of unknown length, chunked.
  void send(const std::function<std::ptrdiff_t(char*, std::size_t)>& read);
  // Takes the body of a successful answer as it arrives; false ends the transfer.
  void receive(const std::function<bool(std::string_view)>& write);
  // Performs the exchange; the body, unless `receive` took it.
  base::Result<std::string> perform();

 private:
  static std::size_t on_write(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* into, std::size_t size, std::size_t count, void* self);

  struct Cleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  std::unique_ptr<CURL, Cleanup> curl_;
  std::unique_ptr<curl_slist, Cleanup> headers_;
  std::string socket_, sent_, body_;
  std::function<std::ptrdiff_t(char*, std::size_t)> read_;
  std::function<bool(std::string_view)> write_;
  bool ended_by_us_ = false;
};

}  // namespace client
