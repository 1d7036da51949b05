// Names of static files: from the path of a request to a file name that leads nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace http {

// Turns a request's path into a relative file name, by the rules of static_folder.h; empty when it leads to nothing.
// A path that ends in a slash keeps it.
std::optional<std::string> safe_file_name(std::string_view path, bool dotfiles);

// Whether a name holds a digest of its content, as "base.27e20196a850.css" of Django's manifest storage does.
bool has_content_hash(std::string_view file_name);

}  // namespace http
