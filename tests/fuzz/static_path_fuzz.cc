// What clients say about files: paths never lead out, ranges lie within the file, dates and codings are numbers.
#include <ctime>
#include <string>

#include "http/accept_encoding.h"
#include "http/date.h"
#include "http/range.h"
#include "http/static_name.h"
#include "support.h"

namespace {

void check_path(std::string_view path) {
  for (bool dotfiles : {false, true}) {
    auto name = http::safe_file_name(path, dotfiles);
    if (!name) continue;
    fuzz::require(!name->starts_with('/') && name->find('\0') == std::string::npos, "a name is relative");
    std::string slashed = "/" + *name + "/";
    fuzz::require(slashed.find("/../") == std::string::npos && slashed.find("/./") == std::string::npos,
                  "no dots lead up");
    fuzz::require(dotfiles || slashed.find("/.") == std::string::npos, "dotfiles are hidden");
    (void)http::has_content_hash(*name);
  }
}

void check_range(std::string_view value) {
  for (std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX}) {
    http::RangeAnswer answer = http::parse_range(value, size);
    if (answer.kind != http::RangeKind::part) continue;
    fuzz::require(answer.range.length > 0 && answer.range.offset < size, "a part is not empty and begins in the file");
    fuzz::require(answer.range.length <= size - answer.range.offset, "a part ends in the file");
  }
}

void check_date(std::string_view text) {
  auto when = http::parse_date(text);
  if (!when || *when < 0) return;
  char again[http::date_length];
  http::format_date(*when, again);
  fuzz::require(http::parse_date({again, sizeof again}) == when, "a date that was read can be written and read");
}

void check_codings(std::string_view value) {
  http::Acceptable acceptable = http::parse_accept_encoding(value);
  for (int quality : {acceptable.br, acceptable.zstd, acceptable.gzip}) {
    fuzz::require(quality >= 0 && quality <= 1000, "a quality is between 0 and 1");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    check_path(record);
    check_range(record);
    check_date(record);
    check_codings(record);
  });
  return 0;
}
