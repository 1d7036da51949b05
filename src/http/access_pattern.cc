#include "http/access_pattern.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "http/access_text.h"
#include "http/h1/append.h"

namespace http {
namespace {

using h1::append;
using h1::Digits;

constexpr std::string_view known_atoms = "hlutrmUqHsBbfaTMDLp";

void append_number(std::uint64_t number, std::string& out) { append(out, Digits(number).view()); }

std::uint64_t count_of(std::chrono::nanoseconds duration, std::chrono::nanoseconds unit) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration / unit));
}

void append_first_line(const AccessEntry& entry, std::string& out) {
  if (entry.method.empty()) return append(out, "-");  // bytes that were no request
  append_access_text(entry.method, out);
  append(out, " ");
  append_access_text(entry.target, out);
  append(out, " ", access_protocol(entry));
}

}  // namespace

base::Result<AccessPattern> AccessPattern::parse(std::string_view text) {
  AccessPattern pattern;
  Piece piece;
  while (!text.empty()) {
    const std::size_t percent = text.find('%');
    piece.before += text.substr(0, percent);
    if (percent == std::string_view::npos) break;
    text.remove_prefix(percent);
    if (text.starts_with("%%")) {
      piece.before += '%';
      text.remove_prefix(2);
      continue;
    }
    const std::size_t end = text.find(")s");
    if (!text.starts_with("%(") || end == std::string_view::npos) {
      return base::invalid("the access log format has a '%' that begins no atom such as %(h)s: '{}'", text);
    }
    std::string_view atom = text.substr(2, end - 2);
    text.remove_prefix(end + 2);
    if (atom.starts_with('{') && atom.ends_with("}i")) {
      piece.header = pattern.headers_.size();
      pattern.headers_.emplace_back(atom.substr(1, atom.size() - 3));
      piece.atom = 'i';
    } else if (atom.size() == 1 && known_atoms.find(atom.front()) != std::string_view::npos) {
      piece.atom = atom.front();
    } else {
      return base::invalid("there is no atom %({})s for the access log; there are {} and {{header}}i", atom,
                           known_atoms);
    }
    pattern.pieces_.push_back(std::exchange(piece, {}));
  }
  if (!piece.before.empty()) pattern.pieces_.push_back(std::move(piece));
  return pattern;
}

void AccessPattern::append(const AccessEntry& entry, std::string& out) const {
  for (const Piece& piece : pieces_) {
    h1::append(out, std::string_view(piece.before));
    if (piece.atom) append_atom(piece, entry, out);
  }
  h1::append(out, "\n");
}

void AccessPattern::append_atom(const Piece& piece, const AccessEntry& entry, std::string& out) const {
  using namespace std::chrono_literals;
  const std::size_t question = entry.target.find('?');
  switch (piece.atom) {
    case 'h':
      return append_access_word(entry.peer, out);
    case 't':
      return h1::append(out, "[", access_time(base::LogFormat::text), "]");
    case 'r':
      return append_first_line(entry, out);
    case 'm':
      return append_access_word(entry.method, out);
    case 'U':
      return append_access_word(entry.target.substr(0, question), out);
    case 'q':
      if (question != std::string_view::npos && question + 1 < entry.target.size())
        append_access_word(entry.target.substr(question + 1), out);
      return;
    case 'H':
      return h1::append(out, entry.method.empty() ? std::string_view("-") : access_protocol(entry));
    case 's':
      return append_number(static_cast<std::uint64_t>(entry.status), out);
    case 'b':
      if (entry.bytes_out == 0) return h1::append(out, "-");
      [[fallthrough]];
    case 'B':
      return append_number(entry.bytes_out, out);
    case 'f':
      return append_access_text(entry.referer, out);
    case 'a':
      return append_access_text(entry.user_agent, out);
    case 'T':
      return append_number(count_of(entry.duration, 1s), out);
    case 'M':
      return append_number(count_of(entry.duration, 1ms), out);
    case 'D':
      return append_number(count_of(entry.duration, 1us), out);
    case 'L':
      return append_access_duration(entry.duration, out);
    case 'p':
      return append_number(static_cast<std::uint64_t>(::getpid()), out);
    case 'i':
      if (piece.header < entry.shown_headers.size()) return append_access_text(entry.shown_headers[piece.header], out);
      [[fallthrough]];
    default:  // l, u: who the client is, is the app's to know
      return h1::append(out, "-");
  }
}

}  // namespace http
