// Whether an instance answers: HTTP requests over its own socket, with the app's own Host, as the edge would send them.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/error.h"
#include "net/address.h"

namespace control_plane {

struct HealthCheck {
  net::Address address;
  std::string host;  // the Host to send: Django and others answer 400 to a foreign one
  std::string path = "/";
  std::chrono::milliseconds time_limit{60'000};
  std::chrono::milliseconds request_limit{20'000};
};

struct Healthy {
  int status;
  std::chrono::milliseconds after;
};

// One request; the status of its answer.
base::Result<int> ask_once(const HealthCheck& check);
// Asks until an answer is below 500. Ends early with the error that `is_hopeless` returns (the instance died). The last
// answer or failure is in the message.
base::Result<Healthy> wait_until_healthy(const HealthCheck& check, const std::function<base::Result<void>()>& is_alive);

}  // namespace control_plane
