// verdicts: what our HTTP/1 parser makes of the bytes of a connection, for tests/differential.
//
// Reads records from standard input, each a number of 4 bytes (little endian) and so many bytes: all that a client
// sends; an empty one ends a batch. Answers with records of the same form, verdicts of one line per fact:
//
//   message METHOD TARGET HTTP/1.x       once its head is whole
//   NAME: VALUE                          its fields, names in lower case
//   body HEX                             so far, when there is some
//   over                                 when the message is whole
//   cut | closed | refused REASON        at the end: more is awaited, more is ignored, or the rest makes no sense
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "http/h1/request_parser.h"

namespace {

using Kind = http::Event::Kind;

// So large that they are not what a mutation is refused for.
constexpr http::Limits limits = {.head_bytes = 1 << 20,
                                 .target_bytes = 1 << 20,
                                 .headers = 100'000,
                                 .body_bytes = UINT64_MAX,
                                 .chunk_extension_bytes = 1 << 20,
                                 .trailer_bytes = 1 << 20,
                                 .underscores = http::Underscores::keep};

void append_head(const http::RequestHead& head, std::string& out) {
  out.append("message ").append(head.method_name).append(" ").append(head.target);
  out.append(head.minor_version ? " HTTP/1.1\n" : " HTTP/1.0\n");
  for (const http::Header& field : head.headers) {
    for (char c : field.name) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    out.append(": ").append(field.value).append("\n");
  }
}

void append_body(std::string& body, std::string& out) {
  constexpr char digits[] = "0123456789abcdef";
  if (body.empty()) return;
  out += "body ";
  for (unsigned char byte : body) out += digits[byte >> 4], out += digits[byte & 15];
  out += "\n";
  body.clear();
}

std::string verdict(std::string_view input) {
  http::h1::RequestParser parser(limits);
  std::string out, body;
  for (;;) {
    http::Event event = parser.next(input);
    input.remove_prefix(event.consumed);
    if (event.kind == Kind::head) append_head(parser.head(), out);
    if (event.kind == Kind::body) body += event.body;
    if (event.kind == Kind::head || event.kind == Kind::body) continue;
    append_body(body, out);
    if (event.kind == Kind::end) {
      out += "over\n";
    } else if (event.kind == Kind::failed) {
      return out.append("refused ").append(parser.problem().reason).append("\n");
    } else {
      return out += event.kind == Kind::closed ? "closed\n" : "cut\n";
    }
  }
}

std::optional<std::string> read_record() {
  std::uint32_t size = 0;
  if (std::fread(&size, sizeof size, 1, stdin) != 1) return std::nullopt;
  std::string record(size, '\0');
  if (std::fread(record.data(), 1, size, stdin) != size) return std::nullopt;
  return record;
}

void write_record(const std::string& record) {
  auto size = static_cast<std::uint32_t>(record.size());
  std::fwrite(&size, sizeof size, 1, stdout);
  std::fwrite(record.data(), 1, record.size(), stdout);
}

}  // namespace

int main() {
  while (auto record = read_record()) {
    if (record->empty()) {
      std::fflush(stdout);  // the end of a batch
    } else {
      write_record(verdict(*record));
    }
  }
}
