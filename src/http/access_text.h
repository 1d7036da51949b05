// Pieces of access log lines. Nothing a client sends can begin a new line or end a quoted field.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/log.h"

namespace http {

struct AccessEntry;

// Everything escaped that is not plain: quotes, backslashes, control characters, bytes beyond ASCII. "-" for nothing.
void append_access_text(std::string_view text, std::string& out);
// The same for a field that stands without quotes: spaces become underscores.
void append_access_word(std::string_view text, std::string& out);
// Seconds with six decimals.
void append_access_duration(std::chrono::nanoseconds duration, std::string& out);
// "23/Nov/2026:08:00:00 +0000" or, for JSON, "2026-11-23T08:00:00Z". Valid until the next call of the same thread.
std::string_view access_time(base::LogFormat format);
// As other servers write it, also where the protocol has no minor version.
std::string_view access_protocol(const AccessEntry& entry);

}  // namespace http
