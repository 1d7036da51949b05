#include "image/tree.h"

#include <algorithm>

namespace image {
namespace {

constexpr std::size_t kLongestPath = 4095;          // PATH_MAX without its end
constexpr std::size_t kDeepest = 128;               // real images have some 30
constexpr std::uint64_t kMostNames = 256ULL << 20;  // bytes of all members' names; real images have some 10 MiB
constexpr int kMostLinks = 40;                      // path_resolution(7)
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kReserved = ".wh..wh.";

std::string join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

std::string_view parent_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    auto slash = path.find('/');
    auto name = path.substr(0, slash);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  }
  return names;
}

base::Result<std::vector<std::string>> names_of(const std::string& path) {
  auto names = split(path);
  for (const auto& name : names)
    if (name == "..") return base::invalid("the name {} leads upwards", path);
  for (std::size_t i = 0; i + 1 < names.size(); i++)
    if (names[i].starts_with(kWhiteout))
      return base::invalid("{} lies in a folder that stands for a removed file", path);
  if (path.size() > kLongestPath || names.size() > kDeepest)
    return base::invalid("the name {}… is longer or deeper than any file's", path.substr(0, 100));
  return names;
}

}  // namespace

void Tree::begin_layer() {
  if (begun_) layer_++;
  begun_ = true;
  member_ = 0;
  swept_.clear();
}

base::Result<void> Tree::make_room(const Member& member) {
  bytes_ += std::min(member.size, bounds_.bytes + 1);
  if (bytes_ > bounds_.bytes) return base::invalid("its files are more than {} MiB", bounds_.bytes >> 20);
  names_ += member.path.size();
  if (++entries_ > bounds_.entries || names_ > kMostNames)
    return base::invalid("it has more than {} files", bounds_.entries);
  return {};
}

base::Result<void> Tree::add(const Member& member) {
  if (auto room = make_room(member); !room) return room;
  auto names = names_of(member.path);
  if (!names) return std::unexpected(names.error());
  if (!names->empty()) {
    auto name = names->back();
    names->pop_back();
    bool is_whiteout = name.starts_with(kWhiteout);
    auto folder = find_folder(*names, is_whiteout ? Missing::leave : Missing::make);
    if (!folder) return base::wrap(folder.error(), member.path);
    base::Result<void> done;
    if (is_whiteout && *folder) done = white_out(**folder, name);
    if (!is_whiteout) done = put(join(**folder, name), member);
    if (!done) return base::wrap(done.error(), member.path);
  }
  member_++;
  return {};
}

// As the kernel would find it in a chroot of the tree.
base::Result<std::optional<std::string>> Tree::find_folder(const Names& names, Missing missing) {
  std::vector<std::string> left(names.rbegin(), names.rend());
  std::string at;
  for (int links = 0; !left.empty();) {
    auto name = std::move(left.back());
    left.pop_back();
    if (name == "..") {
      at = parent_of(at);
      continue;
    }
    auto path = join(at, name);
    if (path.size() > kLongestPath) return base::invalid("it leads to a name that is too long");
    auto found = nodes_.find(path);
    if (found == nodes_.end()) {
      if (missing == Missing::leave) return std::nullopt;
      if (name.starts_with(kWhiteout)) return base::invalid("{} is named like a removed file", path);
      if (auto room = make_room({}); !room) return std::unexpected(room.error());
      found = nodes_.emplace(path, Node{}).first;
    }
    auto& node = found->second;
    if (node.type == Node::Type::file) return base::invalid("{} is a file, not a folder", path);
    if (node.type == Node::Type::link) {
      if (++links > kMostLinks) return base::invalid("{} leads in a circle", path);
      if (node.target.starts_with('/')) at.clear();
      auto further = split(node.target);
      left.insert(left.end(), further.rbegin(), further.rend());
      if (left.size() > kDeepest * 2) return base::invalid("{} leads too deep", path);
      continue;
    }
    if (missing == Missing::make) node.touched = layer_;
    at = std::move(path);
  }
  return at;
}

// layer.md, "Whiteouts": they hide what lower layers have, whatever stands before or behind them in their own.
base::Result<void> Tree::white_out(const std::string& folder, std::string_view name) {
  if (name == kOpaque) {
    erase_below(folder, true);
    return {};
  }
  if (name.starts_with(kReserved)) return {};  // what aufs kept for itself
  name.remove_prefix(kWhiteout.size());
  if (name.empty() || name == "." || name == "..") return base::invalid("it hides no name");
  erase(join(folder, name), true);
  return {};
}

base::Result<Node> Tree::linked(const Member& member) {
  auto names = names_of(member.target);
  if (!names) return std::unexpected(names.error());
  if (names->empty()) return base::invalid("it is a hard link to the root");
  auto name = names->back();
  names->pop_back();
  auto folder = find_folder(*names, Missing::leave);
  if (!folder) return std::unexpected(folder.error());
  auto found = *folder ? nodes_.find(join(**folder, name)) : nodes_.end();
  if (found == nodes_.end() || found->second.type == Node::Type::folder)
    return base::invalid("it is a hard link to {}, which is no file", member.target);
  return found->second;
}

base::Result<void> Tree::put(const std::string& path, const Member& member) {
  Node node{.mode = member.mode & 01777, .target = {}, .layer = layer_, .member = member_, .touched = layer_};
  switch (member.type) {
    case Member::Type::folder:
      if (auto found = nodes_.find(path); found != nodes_.end() && found->second.type == Node::Type::folder) {
        found->second.mode = node.mode;
        found->second.touched = layer_;
        return {};
      }
      break;
    case Member::Type::file:
      node.type = Node::Type::file;
      node.mode &= 0777;
      break;
    case Member::Type::link:
      if (member.target.empty() || member.target.size() > kLongestPath) return base::invalid("it is a link to no name");
      node.type = Node::Type::link;
      node.target = member.target;
      break;
    case Member::Type::hard_link: {
      auto original = linked(member);
      if (!original) return std::unexpected(original.error());
      node = std::move(*original);
      node.touched = layer_;
      break;
    }
    case Member::Type::other:
      erase(path, false);
      return {};
  }
  erase(path, false);
  nodes_.emplace(path, std::move(node));
  return {};
}

// Nothing of lower layers comes back to where it was erased, so that once per layer is enough, however often it is
// said.
void Tree::erase_below(const std::string& folder, bool lower_only) {
  if (lower_only && !swept_.insert(folder).second) return;
  auto prefix = folder.empty() ? "" : folder + "/";
  for (auto at = nodes_.lower_bound(prefix); at != nodes_.end() && at->first.starts_with(prefix);) {
    bool stays = lower_only && at->second.touched == layer_;
    at = stays ? std::next(at) : nodes_.erase(at);
  }
}

void Tree::erase(const std::string& path, bool lower_only) {
  auto found = nodes_.find(path);
  if (found == nodes_.end()) return;
  if (found->second.type == Node::Type::folder) erase_below(path, lower_only);
  if (!lower_only || found->second.touched != layer_) nodes_.erase(found);
}

}  // namespace image
