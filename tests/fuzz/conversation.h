// What a parser made of a connection's bytes, as text, given in pieces of a certain size: the same for every size.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/codec.h"
#include "support.h"

namespace fuzz {

// `Parser` has next(input); `describe_head` and `describe_failure` turn its state into text.
template <typename Parser, typename DescribeHead, typename DescribeFailure>
std::string converse(Parser& parser, std::string_view input, std::size_t piece, DescribeHead&& describe_head,
                     DescribeFailure&& describe_failure) {
  using Kind = http::Event::Kind;
  std::string text, body;
  auto pending = std::make_unique<std::string>();
  for (std::size_t at = 0; at < input.size(); at += piece) {
    // New memory every time: views that still point into the old one are found by the address sanitizer.
    pending = std::make_unique<std::string>(*pending + std::string(input.substr(at, piece)));
    for (;;) {
      http::Event event = parser.next(*pending);
      require(event.consumed <= pending->size(), "a parser consumes no more than it was given");
      if (event.kind == Kind::body) {
        require(!event.body.empty(), "a body event has bytes");
        body += event.body;
      } else if (event.kind != Kind::need_input) {
        text += "body " + std::exchange(body, {}) + "\n";
        if (event.kind == Kind::failed) return text + describe_failure();
        if (event.kind == Kind::closed) return text + "closed";
        text += event.kind == Kind::end ? "end\n" : describe_head();
      }
      pending->erase(0, event.consumed);
      if (event.kind == Kind::need_input) break;
    }
  }
  return text + "body " + body;
}

inline std::string describe_fields(const std::vector<http::Header>& headers) {
  std::string text;
  for (const http::Header& header : headers) text += std::string(header.name) + ": " + std::string(header.value) + "\n";
  return text;
}

}  // namespace fuzz
