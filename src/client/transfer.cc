#include "client/transfer.h"

#include <nlohmann/json.hpp>

#include "base/error_json.h"

namespace client {

base::Result<std::string> to_result(long status, std::string body) {
  if (status < 400) return body;
  auto error = nlohmann::json::parse(body, nullptr, false);
  if (!error.is_object()) {
    return base::fail(base::Kind::internal, "the daemon answered {} with something that is no API error", status);
  }
  return std::unexpected(base::error_from_json(error));
}

std::unexpected<base::Error> unreachable(const std::string& socket) {
  return std::unexpected(base::Error(base::Kind::unavailable, fmt::format("nobody answers on {}", socket),
                                     "start the daemon with `serai daemon`, or name another root with --root")
                             .add_context("reach the daemon"));
}

Transfer::Transfer(const char* method, const std::string& socket, const std::string& path)
    : curl_(curl_easy_init()), socket_(socket) {
  if (!curl_) base::panic("libcurl cannot make a handle");
  auto* c = curl_.get();
  curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  curl_easy_setopt(c, CURLOPT_URL, ("http://serai" + path).c_str());
  curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_PROXY, "");
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 0L);
}

void Transfer::send(const std::string& json) {
  sent_ = json;
  headers_.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
  curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(curl_.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(sent_.size()));
  curl_easy_setopt(curl_.get(), CURLOPT_POSTFIELDS, sent_.c_str());
}

void Transfer::send(const std::function<std::ptrdiff_t(char*, std::size_t)>& read) {
  read_ = read;
  auto* list = curl_slist_append(nullptr, "Transfer-Encoding: chunked");
  headers_.reset(curl_slist_append(list, "Expect:"));
  curl_easy_setopt(curl_.get(), CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(curl_.get(), CURLOPT_POST, 1L);
  curl_easy_setopt(curl_.get(), CURLOPT_READFUNCTION, &Transfer::on_read);
  curl_easy_setopt(curl_.get(), CURLOPT_READDATA, this);
}

void Transfer::receive(const std::function<bool(std::string_view)>& write) { write_ = write; }

std::size_t Transfer::on_write(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  long status = 0;
  curl_easy_getinfo(transfer.curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (!transfer.write_ || status >= 400) {
    transfer.body_.append(bytes, size * count);
    return size * count;
  }
  if (transfer.write_({bytes, size * count})) return size * count;
  transfer.ended_by_us_ = true;
  return 0;
}

std::size_t Transfer::on_read(char* into, std::size_t size, std::size_t count, void* self) {
  auto n = static_cast<Transfer*>(self)->read_(into, size * count);
  return n < 0 ? CURL_READFUNC_ABORT : static_cast<std::size_t>(n);
}

base::Result<std::string> Transfer::perform() {
  auto code = curl_easy_perform(curl_.get());
  if (code == CURLE_COULDNT_CONNECT) return unreachable(socket_);
  if (code != CURLE_OK && !ended_by_us_) {
    return base::fail(base::Kind::disconnected, "talk to the daemon over {}: {}", socket_, curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  return to_result(status, std::move(body_));
}

}  // namespace client
