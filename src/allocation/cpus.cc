#include "allocation/cpus.h"

#include <algorithm>
#include <charconv>
#include <ranges>

#include "base/file.h"

namespace allocation {
namespace {

constexpr int kMostCpus = 8192;  // the kernel's own limit (CONFIG_NR_CPUS)

// A whole number that makes up all of `text`; negative: it is none.
int number_of(std::string_view text) {
  int number = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && number < kMostCpus ? number : -1;
}

bool overlap(const CpuSet& a, const CpuSet& b) {
  return std::ranges::any_of(a, [&](int cpu) { return b.contains(cpu); });
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t count_cpus(const std::vector<CpuSet>& cores) {
  std::size_t count = 0;
  for (const auto& core : cores) count += core.size();
  return count;
}

base::Error too_few(const std::vector<CpuSet>& cores, const CpuOwners& owners, const std::string& app, int wanted) {
  auto text = fmt::format("give {} {} of its own: this host has {} in {}", app,
                          counted(static_cast<std::size_t>(wanted), "CPU"), counted(count_cpus(cores), "CPU"),
                          counted(cores.size(), "core"));
  for (const auto& [owner, cpus] : owners)
    if (owner != app && !cpus.empty())
      text += fmt::format(", {} has {} ({})", owner, counted(cpus.size(), "CPU"), format_cpus(cpus));
  text += ", and one core stays for the other instances";
  return base::Error(
      base::Kind::overloaded, text,
      "use fewer with [allocation] cpu, move a dedicated app away (serai move APP --to shared), or take a "
      "host with more CPUs");
}

}  // namespace

base::Result<CpuSet> parse_cpus(std::string_view text) {
  CpuSet cpus;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  for (const auto part : std::views::split(text, ',')) {
    std::string_view range(part.begin(), part.end());
    auto dash = range.find('-');
    int first = number_of(range.substr(0, dash));
    int last = dash == range.npos ? first : number_of(range.substr(dash + 1));
    if (first < 0 || last < first) return base::invalid("\"{}\" is no list of CPUs", text);
    for (int cpu = first; cpu <= last; cpu++) cpus.insert(cpu);
  }
  return cpus;
}

std::string format_cpus(const CpuSet& cpus) {
  std::string text;
  for (auto at = cpus.begin(); at != cpus.end();) {
    int first = *at, last = first;
    while (++at != cpus.end() && *at == last + 1) last = *at;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
  }
  return text;
}

std::vector<CpuSet> cores_of(const CpuSet& usable, const std::filesystem::path& sysfs) {
  std::vector<CpuSet> cores;
  CpuSet seen;
  for (int cpu : usable) {
    if (seen.contains(cpu)) continue;
    auto text = base::read_file(sysfs / fmt::format("cpu{}/topology/thread_siblings_list", cpu));
    auto siblings = parse_cpus(text.value_or(""));
    CpuSet core{cpu};
    if (siblings) std::ranges::set_intersection(*siblings, usable, std::inserter(core, core.end()));
    seen.insert(core.begin(), core.end());
    cores.push_back(std::move(core));
  }
  return cores;
}

base::Result<CpuSet> choose_exclusive(const std::vector<CpuSet>& cores, const CpuOwners& owners, const std::string& app,
                                      int wanted) {
  auto own = owners.find(app);
  auto is_own = [&](const CpuSet& core) { return own != owners.end() && overlap(core, own->second); };
  std::vector<CpuSet> mine, free;
  for (const auto& core : cores) {
    bool taken =
        std::ranges::any_of(owners, [&](const auto& item) { return item.first != app && overlap(core, item.second); });
    if (!taken) (is_own(core) ? mine : free).push_back(core);
  }
  CpuSet chosen;
  auto missing = [&] { return chosen.size() < static_cast<std::size_t>(wanted); };
  for (const auto& core : mine)
    if (missing()) chosen.insert(core.begin(), core.end());
  for (; missing() && free.size() > 1; free.pop_back()) chosen.insert(free.back().begin(), free.back().end());
  if (missing() || free.empty()) return std::unexpected(too_few(cores, owners, app, wanted));
  return chosen;
}

}  // namespace allocation
