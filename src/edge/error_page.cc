#include "edge/error_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/message.h"

namespace edge {
namespace {

struct Text {
  int status;
  std::string_view kind;  // for programs
  std::string_view title;
  std::string_view advice;
  int retry_after_seconds;
};

Text text_of(Trouble trouble, int status, std::string_view reason) {
  switch (trouble) {
    case Trouble::no_app:
      return {404, "no_app", "There is nothing here", "No site answers at this address. Check the address for a typo.",
              0};
    case Trouble::app_stopped:
      return {503, "app_stopped", "This site is switched off", "Its owner has stopped it for now.", 60};
    case Trouble::app_starting:
      return {503, "app_starting", "This site is starting", "Please try again in a moment.", 5};
    case Trouble::too_many_wait:
      return {503, "overloaded", "This site is very busy",
              "Too many visitors are waiting. Please try again in a moment.", 5};
    case Trouble::app_unreachable:
      return {502, "app_unreachable", "This site does not answer",
              "It may be restarting. Please try again in a moment.", 5};
    case Trouble::app_failed:
      return {502, "app_failed", "This site could not answer", "It broke off while working on your request.", 0};
    case Trouble::app_timeout:
      return {504, "app_timeout", "This site takes too long", "It did not answer in time. Please try again later.", 0};
    case Trouble::bad_request:
      break;
  }
  return {status, "bad_request", http::reason_phrase(status), reason, 0};
}

// Whether `type` is listed in Accept, with a quality above zero. Browsers, curl and API clients differ enough by that.
bool accepts(std::string_view accept, std::string_view type) {
  bool found = false;
  http::for_each_token(accept, [&](std::string_view element) {
    auto name = element.substr(0, element.find_first_of("; \t"));
    auto refused = element.find("q=0") != element.npos && element.find("q=0.") == element.npos;
    found |= http::equal_ignoring_case(name, type) && !refused;
  });
  return found;
}

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{0}</title>
<style>
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto 0; padding: 0 1.5rem; color: #222 }}
  h1 {{ font-size: 1.6rem; margin: 0 0 .5rem }}
  small {{ color: #777 }}
  @media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #ddd }} }}
</style>
<h1>{0}</h1>
<p>{1}</p>
<p><small>{2} · request {3}</small></p>
)";

}  // namespace

ErrorPage make_error_page(Trouble trouble, std::string_view accept, std::string_view request_id, int status,
                          std::string_view reason) {
  auto text = text_of(trouble, status, reason);
  ErrorPage page{text.status, {}, {}, text.retry_after_seconds};
  if (accepts(accept, "text/html")) {
    page.content_type = "text/html; charset=utf-8";
    page.body = fmt::format(fmt::runtime(kPage), text.title, text.advice, text.status, request_id);
  } else if (accepts(accept, "application/json")) {
    page.content_type = "application/json";
    page.body = fmt::format(R"({{"kind":"{}","status":{},"message":"{}","advice":"{}","request":"{}"}})"
                            "\n",
                            text.kind, text.status, text.title, text.advice, request_id);
  } else {
    page.content_type = "text/plain; charset=utf-8";
    page.body = fmt::format("{}\n{}\n{} · request {}\n", text.title, text.advice, text.status, request_id);
  }
  return page;
}

}  // namespace edge
