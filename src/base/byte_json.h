// JSON documents whose strings may be any bytes: JSON holds text, but file names and arguments on Linux are bytes, and
// a project with one name in Latin-1 must be deployable. Only for documents that we write and read back ourselves.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace base {

// Valid UTF-8 for any bytes, and back: a byte that is no part of valid UTF-8 becomes the private character U+F700 +
// byte, as in MirBSD's OPTU-8. The bytes of such a character are escaped too, so that every string comes back as it
// was.
std::string text_of_bytes(std::string_view bytes);
std::string bytes_of_text(std::string_view text);

// The strings of `value` are bytes; keys of objects are taken as they are and must be UTF-8.
std::string dump_byte_json(nlohmann::json value, int indent = -1);
// Throws nlohmann::json::exception as json::parse does.
nlohmann::json parse_byte_json(std::string_view text);

}  // namespace base
