// http::AccessPattern: an access log line as the user describes it, with gunicorn's atoms.
//
//   %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s %({x-request-id}i)s
//
//   h client   l, u "-"   t time in brackets   r first line   m method   U path   q query   H protocol   s status
//   B body bytes   b the same, "-" for none   f Referer   a User-Agent   T, M, D time taken in s, ms, us   L in s with
//   decimals   p process id   {NAME}i a request header   %% a percent sign
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/access_log.h"

namespace http {

class AccessPattern {
 public:
  static base::Result<AccessPattern> parse(std::string_view text);

  // Names of the request headers that a line shows, in order: AccessEntry::shown_headers has their values.
  const std::vector<std::string>& headers() const { return headers_; }
  // One line with its line end.
  void append(const AccessEntry& entry, std::string& out) const;

 private:
  struct Piece {
    std::string before;      // text that goes before the atom
    char atom = 0;           // 0: none
    std::size_t header = 0;  // of atom 'i'
  };
  void append_atom(const Piece& piece, const AccessEntry& entry, std::string& out) const;

  std::vector<Piece> pieces_;
  std::vector<std::string> headers_;
};

}  // namespace http
