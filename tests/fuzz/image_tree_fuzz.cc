// Members of layers, one a line: f, d, l (link), h (hard link) or o (other) with a path and, behind a tab, a target;
// n begins the next layer. Whatever they say, what the tree shows lies inside of it, and no path leads through a link.
#include "image/tree.h"

#include <optional>

#include "support.h"

namespace {

using Type = image::Member::Type;

std::optional<Type> type_of(char letter) {
  switch (letter) {
    case 'f':
      return Type::file;
    case 'd':
      return Type::folder;
    case 'l':
      return Type::link;
    case 'h':
      return Type::hard_link;
    case 'o':
      return Type::other;
    default:
      return std::nullopt;
  }
}

void check(const image::Tree& tree) {
  for (const auto& [path, node] : tree.nodes()) {
    fuzz::require(!path.empty() && fuzz::is_inside(path), "a path stays inside");
    auto slash = path.rfind('/');
    auto name = path.substr(slash == path.npos ? 0 : slash + 1);
    fuzz::require(!name.empty() && name != "." && name != "..", "a name names something");
    fuzz::require(!name.starts_with(".wh."), "no whiteout is shown");
    fuzz::require((node.mode & ~01777U) == 0, "no set-id bits");
    if (slash == path.npos) continue;
    auto parent = tree.nodes().find(path.substr(0, slash));
    fuzz::require(parent != tree.nodes().end() && parent->second.type == image::Node::Type::folder,
                  "what is above is a folder");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    image::Tree tree({.bytes = 20'000, .entries = 500});
    tree.begin_layer();
    while (!record.empty()) {
      auto line = fuzz::take_line(record);
      if (line.starts_with('n')) tree.begin_layer();
      auto type = line.size() > 2 ? type_of(line[0]) : std::nullopt;
      if (!type) continue;
      line.remove_prefix(2);
      auto tab = line.find('\t');
      image::Member member{.type = *type, .path = std::string(line.substr(0, tab)), .target = {}, .mode = 07777};
      if (tab != line.npos) member.target = line.substr(tab + 1);
      member.size = line.size();
      (void)tree.add(member);  // what is refused must leave the tree whole
    }
    check(tree);
  });
  return 0;
}
