// Ignore files by git's rules (gitignore(5)): negation, anchoring, `**`, folder-only patterns, nested files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

struct IgnorePattern {
  std::vector<std::string> parts;  // between slashes; "**" stands for any number of folders
  bool negated = false;
  bool folders_only = false;
  bool anchored = false;  // relative to the ignore file's folder; otherwise any file name below it
  int line = 0;
};

// One `.gitignore` or `.seraiignore`.
class IgnoreFile {
 public:
  // `folder` is where the file lies, relative to the packed folder ("" for the top); `name` is used in reasons.
  static IgnoreFile parse(std::string_view text, std::string folder, std::string name);

  struct Verdict {
    bool ignored;
    std::string reason;  // ".gitignore:3"
  };
  // What the last matching pattern says about a path relative to the packed folder; nothing when none matches.
  std::optional<Verdict> judge(std::string_view path, bool is_folder) const;

 private:
  std::string folder_, name_;
  std::vector<IgnorePattern> patterns_;
};

// One path component against one pattern component: `*`, `?`, `[a-z]`, `[!a]`, `\x`.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace app
