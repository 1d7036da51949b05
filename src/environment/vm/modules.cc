#include "environment/vm/modules.h"

#include <algorithm>
#include <set>

namespace environment {
namespace {

class Order {
 public:
  Order(const KernelModules& modules, const std::vector<std::string>& built_in)
      : modules_(modules), built_in_(built_in.begin(), built_in.end()) {}

  base::Result<void> add(const std::string& name) {
    if (built_in_.contains(name) || !seen_.insert(name).second) return {};
    auto found = modules_.find(name);
    if (found == modules_.end()) return base::not_found("find the kernel module {}", name);
    for (const auto& need : found->second.needs)
      if (auto added = add(need); !added) return base::wrap(added.error(), "for " + name);
    names_.push_back(name);
    return {};
  }
  std::vector<std::string> take() { return std::move(names_); }

 private:
  const KernelModules& modules_;
  std::set<std::string> built_in_, seen_;
  std::vector<std::string> names_;
};

std::string with_underscores(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

std::vector<std::string> needs_of_module(std::string_view file) {
  constexpr std::string_view kKey("\0depends=", 9);
  std::vector<std::string> needs;
  auto begin = file.find(kKey);
  if (begin == std::string_view::npos) return needs;
  auto list = file.substr(begin + kKey.size());
  list = list.substr(0, list.find('\0'));
  while (!list.empty()) {
    auto comma = list.find(',');
    if (comma != 0) needs.push_back(with_underscores(std::string(list.substr(0, comma))));
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
  }
  return needs;
}

std::string module_name(const std::filesystem::path& file) {
  auto name = file.filename().string();
  return with_underscores(name.substr(0, name.find(".ko")));
}

base::Result<std::vector<std::string>> modules_in_order(const KernelModules& modules,
                                                        const std::vector<std::string>& built_in,
                                                        const std::vector<std::string>& wanted) {
  Order order(modules, built_in);
  for (const auto& name : wanted)
    if (auto added = order.add(name); !added) return std::unexpected(added.error());
  return order.take();
}

}  // namespace environment
