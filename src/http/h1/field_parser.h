// http::h1::FieldParser: the header section of a message, line by line, for requests and responses alike.
//
// It fills the head's vector and gathers what framing needs, so that nothing is searched for afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "http/codec.h"
#include "http/message.h"

namespace http::h1 {

class FieldParser {
 public:
  // What the fields said about the connection and the body, with how often.
  struct Summary {
    std::string_view content_length, transfer_encoding, host, upgrade;
    std::uint8_t content_lengths = 0, transfer_encodings = 0, hosts = 0;
    bool close = false, keep_alive = false, asks_upgrade = false;  // Connection options
    std::uint8_t nominations = 0;                                  // other Connection options; stops counting at 255
    bool expects_continue = false, expects_other = false;
  };

  explicit FieldParser(const Limits& limits) : limits_(limits) {}

  void begin() { summary_ = {}, count_ = 0; }
  // One line without its end, not empty. False: problem() says why.
  bool add(std::string_view line, std::vector<Header>& into);
  const Summary& summary() const { return summary_; }
  // The bytes of the lines so far now lie `distance` further on.
  void move(std::ptrdiff_t distance, std::vector<Header>& headers);
  const Problem& problem() const { return problem_; }

 private:
  void note(const Header& field);
  void note_connection(std::string_view value);
  bool fail(int status, std::string_view reason);

  Limits limits_;
  std::uint32_t count_ = 0;  // fields so far, dropped ones too
  Summary summary_;
  Problem problem_;
};

// Whoever passes a message on looks for each of its fields among the Connection options: a few are enough.
inline constexpr std::uint8_t most_nominations = 32;

// A length or port in decimal digits only: no sign, no white space. False when it does not fit or is no number.
bool parse_decimal(std::string_view text, std::uint64_t& value);

}  // namespace http::h1
