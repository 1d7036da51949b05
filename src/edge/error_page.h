// Answers that the edge gives itself: short pages that say what a visitor can do and leak nothing.
#pragma once

#include <string>
#include <string_view>

namespace edge {

// Why the edge answers itself. The texts are for visitors, not for the app's owner: causes are in the logs.
enum class Trouble {
  no_app,           // 404: no route for this host and path
  bad_request,      // the status of the codec's problem
  app_stopped,      // 503
  app_starting,     // 503: waited in vain for an app on hold
  too_many_wait,    // 503: the hold queue is full, or the app has its share of requests in flight
  app_unreachable,  // 502
  app_failed,       // 502: broken or nonsensical answer
  app_timeout,      // 504
};

struct ErrorPage {
  int status;
  std::string content_type;
  std::string body;
  int retry_after_seconds = 0;  // 0: no such header
};

// `accept`: the request's Accept value: HTML, JSON or plain text, whichever it prefers. `status` and `reason` are for
// bad_request only.
ErrorPage make_error_page(Trouble trouble, std::string_view accept, std::string_view request_id, int status = 400,
                          std::string_view reason = {});

}  // namespace edge
