// compare::run_load: asks one address for some time and tells how long the answers took.
//
// Open (a rate is given): requests are due at times that do not depend on the answers. One that finds every connection
// busy waits in line, and that counts: its latency runs from when it was due. Without that, a server that stops for a
// moment would be asked less just then and look better than its users find it ("coordinated omission", G. Tene).
// Closed (no rate): every connection asks again as soon as it was answered; this finds what a server can do.
//
// HTTP/1.1 on kept-alive connections; one thread, one event loop. A connection that the server closes between answers
// is opened again; one that it closes or breaks before an answer is whole counts as a failure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "compare/arrivals.h"
#include "compare/histogram.h"
#include "http/h1/codec.h"
#include "net/address.h"

namespace compare {

struct LoadPlan {
  net::Address address;
  std::string host = "localhost";  // of the Host field
  std::string method = "GET", path = "/";
  std::string body;
  int expected_status = 200;
  std::optional<std::uint64_t> expected_bytes, expected_digest;  // of the body (LoadConnection::body_digest)
  unsigned connections = 32;
  double rate = 0;  // requests per second in all; 0: closed
  Arrivals::Kind arrivals = Arrivals::Kind::poisson;
  std::uint64_t seed = 1;
  std::chrono::nanoseconds warm_up{0};  // before what is counted
  std::chrono::nanoseconds duration{std::chrono::seconds(10)};
  std::chrono::nanoseconds patience{std::chrono::seconds(10)};  // an answer that takes longer is a failure
};

struct LoadResult {
  std::uint64_t answers = 0;                      // as expected, to requests that were due while it was counted
  std::map<std::string, std::uint64_t> failures;  // by their reason
  std::uint64_t body_bytes = 0;
  std::uint64_t reconnects = 0;
  std::size_t longest_line = 0;  // requests that were due and found no free connection
  double seconds = 0;            // from the first request that counts to the end of the last
  Histogram latency;             // from when a request was due
  Histogram service;             // from when it was sent; the difference is waiting in line
  Histogram lateness;            // between due and sent where a connection was free: our own slowness, not the server's

  std::uint64_t failed() const;
};

// What the plan asks; its texts are the plan's own, which must outlive it.
http::OutgoingRequest request_of(const LoadPlan& plan);

// Returns once every request is answered or given up. Fails when no connection can be made at all, or when the request
// cannot be written. Owns its event loop; use it on a thread that has none.
base::Result<LoadResult> run_load(const LoadPlan& plan);

}  // namespace compare
