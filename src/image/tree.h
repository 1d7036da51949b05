// image::Tree: what a stack of layers shows, as names only (OCI image-spec 1.0, layer.md). Pure: no file is touched, so
// nothing that a layer says can lead outside of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "image/layer.h"

namespace image {

// One member of a layer's tar.
struct Member {
  enum class Type { folder, file, link, hard_link, other };  // other: devices, pipes, sockets
  Type type = Type::file;
  std::string path;
  std::string target;  // of a link or hard link
  unsigned mode = 0;
  std::uint64_t size = 0;
};

struct Node {
  enum class Type { folder, file, link };
  Type type = Type::folder;
  unsigned mode = 0755;  // without set-id bits
  std::string target;    // of a link
  // Of a file: the member that holds its content, counted from 0 in its layer. A hard link has that of its target.
  std::size_t layer = 0, member = 0;
  std::size_t touched = 0;  // the last layer that has it, or something below it
};

class Tree {
 public:
  explicit Tree(const Bounds& bounds = {}) : bounds_(bounds) {}

  // The next layer, the lowest first; its members follow in their order.
  void begin_layer();
  // The error names what cannot be: a name that leads upwards, a file as a folder, a hard link to nothing, too much.
  base::Result<void> add(const Member& member);
  // By path, without a leading "/"; a folder before what is in it. No path leads through a link.
  const std::map<std::string, Node>& nodes() const { return nodes_; }

 private:
  using Names = std::vector<std::string>;
  enum class Missing { make, leave };

  // Where a folder's name leads, links followed inside the tree; empty optional when it is not there.
  base::Result<std::optional<std::string>> find_folder(const Names& names, Missing missing);
  base::Result<void> make_room(const Member& member);
  base::Result<void> white_out(const std::string& folder, std::string_view name);
  base::Result<void> put(const std::string& path, const Member& member);
  base::Result<Node> linked(const Member& member);
  void erase_below(const std::string& folder, bool lower_only);
  void erase(const std::string& path, bool lower_only);

  Bounds bounds_;
  std::map<std::string, Node> nodes_;
  std::set<std::string> swept_;  // folders in which this layer hides all that lower ones have
  std::size_t layer_ = 0, member_ = 0, entries_ = 0;
  bool begun_ = false;
  std::uint64_t bytes_ = 0, names_ = 0;
};

}  // namespace image
