// What the unprivileged child that unpacks an upload tells the daemon: one JSON object on a pipe. The child read files
// that a stranger wrote, so the daemon trusts its words no more than those files: they are bounded and checked.
#pragma once

#include <string>
#include <string_view>

#include "app/detect.h"
#include "app/pack.h"

namespace app {

struct UploadReport {
  Unpacked unpacked;
  Detection detection;
};

constexpr std::size_t kMostReportBytes = 16 << 20;

// {"unpacked", "detection", "requirements"} or {"error"}; at most kMostReportBytes, else it is an error that says so.
std::string to_text(const base::Result<UploadReport>& report);
// The report, or the error that it holds; an error of Kind::internal when it is no report.
base::Result<UploadReport> parse_upload_report(std::string_view text);

}  // namespace app
