#include "app/upload_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/words.h"
#include "base/error_json.h"

namespace app {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 8;
constexpr std::size_t kMostValues = 200'000;  // a value costs up to a hundred bytes, whatever it takes in the text
constexpr std::size_t kMostErrorText = 64 << 10;
constexpr std::size_t kMostProblemText = 500;  // it may quote the report

// Ends parsing (by a json::exception, since the parser would read on) once a document is deeper or has more values than
// any report, or holds a null character.
class Budget {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    using Event = json::parse_event_t;
    bool is_text = (event == Event::value || event == Event::key) && parsed.is_string();
    bool is_end = event == Event::object_end || event == Event::array_end;
    if (!is_end) ++values_;
    if (depth > kMostDepth) fail("it is nested too deeply");
    if (values_ > kMostValues) fail("it has too many values");
    if (is_text && parsed.get_ref<const std::string&>().contains('\0')) fail("it holds a null character");
    return true;
  }

 private:
  [[noreturn]] static void fail(const char* problem) { throw json::other_error::create(501, problem, nullptr); }
  std::size_t values_ = 0;
};

std::unexpected<base::Error> no_report(std::string_view problem) {
  return base::fail(base::Kind::internal, "what the process that read the upload answered cannot be used: {}",
                    problem.substr(0, kMostProblemText));
}

base::Error error_of(const json& value) {
  auto error = base::error_from_json(value);
  if (error.message().empty()) return no_report("its error says nothing").error();
  auto is_short = [](const std::string& text) { return text.size() <= kMostErrorText; };
  if (is_short(error.describe()) && is_short(error.advice())) return error;
  return no_report("its error is too long").error();
}

Unpacked unpacked_from(const json& value) {
  return {whole<std::uint64_t>(value.at("files")), whole<std::uint64_t>(value.at("bytes")), value.at("digest")};
}

base::Result<UploadReport> read(std::string_view text) {
  if (text.size() > kMostReportBytes) return no_report("it is too large");
  auto value = json::parse(text, Budget(), false);
  if (!value.is_object()) return no_report("it is no JSON object");
  if (auto error = value.find("error"); error != value.end()) return std::unexpected(error_of(*error));
  UploadReport report;
  report.unpacked = unpacked_from(value.at("unpacked"));
  auto detection = detection_from_json(value.at("detection"));
  if (!detection) return no_report(detection.error().describe());
  report.detection = std::move(*detection);
  if (auto lock = value.find("requirements"); lock != value.end()) report.detection.lock.requirements = *lock;
  return report;
}

json as_json(const base::Result<UploadReport>& report) {
  if (!report) return {{"error", base::to_json(report.error())}};
  const auto& [unpacked, detection] = *report;
  json value{
      {"unpacked", {{"files", unpacked.files}, {"bytes", unpacked.bytes}, {"digest", unpacked.digest}}},
      {"detection", to_json(detection)},
  };
  if (detection.lock.requirements) value["requirements"] = *detection.lock.requirements;
  return value;
}

// File names and sources need not be UTF-8.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string to_text(const base::Result<UploadReport>& report) {
  auto text = dump(as_json(report));
  if (text.size() <= kMostReportBytes) return text;
  base::Error error(base::Kind::overloaded,
                    fmt::format("what was found in the folder takes {} MiB, and {} are the limit", text.size() >> 20,
                                kMostReportBytes >> 20),
                    "the lock or the findings are too large; `serai detect --files-only` shows them");
  return dump(as_json(std::unexpected(error)));
}

base::Result<UploadReport> parse_upload_report(std::string_view text) {
  try {
    return read(text);
  } catch (const json::exception& error) {
    return no_report(error.what());
  }
}

}  // namespace app
