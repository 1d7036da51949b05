#include "cli/compare_view.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/deploy_view.h"
#include "cli/printable.h"
#include "cli/table.h"

namespace cli {
namespace {

using nlohmann::json;

constexpr std::size_t kLabelWidth = 12;

struct Metric {
  const char* key;
  const char* name;
};
constexpr Metric kMetrics[] = {{"p50_ms", "p50"}, {"p99_ms", "p99"}, {"cpu_us_per_request", "CPU"}};

// Three digits of it.
std::string number(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f}", value, value >= 10 ? 1 : 2);
}

std::string interval(const json& value) {
  if (!value.is_object()) return "–";
  return fmt::format("{} [{}–{}]", number(value["estimate"]), number(value["low"]), number(value["high"]));
}

std::string mebibytes(const json& bytes) { return fmt::format("{:.1f} MiB", bytes.get<double>() / (1 << 20)); }

std::string percent(double share) { return fmt::format("{:.{}f} %", share * 100, share < 0.0995 ? 1 : 0); }

void line(std::ostream& out, const char* label, const std::string& text) {
  out << "  " << padded(label, kLabelWidth) << printable(text) << '\n';
}

std::string host_text(const json& report) {
  const auto& host = report["host"];
  const auto& plan = report["plan"];
  auto text = fmt::format("{} × {}, {:.0f} GiB, {}", host["cpus"].get<long>(), host["processor"].get<std::string>(),
                          host["memory_bytes"].get<double>() / (1 << 30), host["kernel"].get<std::string>());
  if (plan["app_cpu"] >= 0)
    text += fmt::format(" · app on CPU {}, generator on CPU {}", plan["app_cpu"].get<int>(),
                        plan["generator_cpu"].get<int>());
  return text;
}

std::string load_text(const json& plan) {
  return fmt::format("GET {} {:g} times per second · {} rounds of {:g} s, in random order (seed {})",
                     plan["path"].get<std::string>(), plan["rate"].get<double>(), plan["rounds"].get<unsigned>(),
                     plan["round_seconds"].get<double>(), plan["seed"].get<std::uint64_t>());
}

std::string verified_text(const json& verified) {
  auto by = verified["by"].get<std::string>();
  auto text =
      fmt::format("{} answers: status {}", verified["answers"].get<std::uint64_t>(), verified["status"].get<int>());
  if (by == "status") return text + " (the body is another one each time)";
  text += fmt::format(", {} bytes", verified["bytes"].get<std::uint64_t>());
  return text + (by == "body" ? ", all the same as the app's own reference answer" : " (of changing content)");
}

std::string noise_text(const json& noise, const std::string& kind) {
  std::string text;
  for (const auto& [key, name] : kMetrics)
    if (noise[key].is_object())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, percent(noise[key]["floor"]));
  return fmt::format("{} (A/A: {} beside itself)", text.empty() ? "unknown" : text, kind);
}

std::string isolation_text(const json& isolation) {
  return fmt::format("{} of {}", isolation["standing"].get<unsigned>(), isolation["walls"].size());
}

std::string kind_text(const json& environment) {
  auto kind = environment["environment"].get<std::string>();
  return environment["emulated"].get<bool>() ? kind + " (emulated)" : kind;
}

void show_table(const json& environments, std::ostream& out) {
  Table table({"  environment", "p50 ms", "p99 ms", "CPU µs/request", "start: cold", "warm", "memory: own",
               "with shared", "isolation"});
  for (const auto& environment : environments) {
    const auto& start = environment["start"];
    const auto& memory = environment["memory"];
    table.add({"  " + kind_text(environment), interval(environment["p50_ms"]), interval(environment["p99_ms"]),
               interval(environment["cpu_us_per_request"]), duration_text(start["cold_ms"]),
               duration_text(start["warm_ms"]), mebibytes(memory["anonymous_bytes"]),
               mebibytes(memory["proportional_bytes"]), isolation_text(environment["isolation"])});
  }
  table.print(out);
}

// What comes before the app's own import is the environment's making.
void show_starts(const json& environments, std::ostream& out) {
  Table table({"  start, warm", "environment", "import", "first answer", "most of it"});
  for (const auto& environment : environments) {
    double made = 0, import = 0, answer = 0, longest = 0;
    std::string slowest;
    for (const auto& stage : environment["start"]["stages"]) {
      auto name = stage["stage"].get<std::string>();
      double length = stage["warm_ms"];
      if (name == "import" || name == "answer") {
        (name == "import" ? import : answer) += length;
        continue;
      }
      made += length;
      if (length > longest) longest = length, slowest = name;
    }
    table.add({"  " + kind_text(environment), duration_text(made), duration_text(import), duration_text(answer),
               fmt::format("{} {}", slowest, duration_text(longest))});
  }
  table.print(out);
}

std::string difference_text(const json& against) {
  std::string text;
  for (const auto& [key, name] : kMetrics) {
    if (!against.contains(key)) continue;
    const auto& ratio = against[key]["ratio"];
    text += fmt::format("{}{} ", text.empty() ? "" : ", ", name);
    if (against[key]["verdict"] == "none")
      text += "no difference";
    else
      text += fmt::format("{:+.1f} % [{:+.1f}–{:+.1f}]", (ratio["estimate"].get<double>() - 1) * 100,
                          (ratio["low"].get<double>() - 1) * 100, (ratio["high"].get<double>() - 1) * 100);
  }
  return text.empty() ? "not known" : text;
}

// Which walls stand in one kind and not in another.
void show_isolation(const json& environments, std::ostream& out) {
  for (const auto& environment : environments) {
    std::string missing;
    for (const auto& wall : environment["isolation"]["walls"])
      if (!wall["stands"].get<bool>()) missing += (missing.empty() ? "" : ", ") + wall["wall"].get<std::string>();
    line(out, "isolation",
         fmt::format("{}: {}", environment["environment"].get<std::string>(),
                     missing.empty() ? "every wall stands" : "without " + missing));
  }
  line(out, "", "looked at live; not attacked here");
}

}  // namespace

void show_comparison(const json& report, std::ostream& out) {
  const auto& environments = report["environments"];
  auto first = environments[0]["environment"].get<std::string>();
  line(out, "app", fmt::format("{} r{}", report["app"].get<std::string>(), report["release"].get<int>()));
  line(out, "host", host_text(report));
  const bool has_load = report["plan"]["rounds"] > 0;
  if (has_load) {
    line(out, "noise floor", noise_text(report["noise"], first));
    line(out, "verified", verified_text(report["verified"]));
    line(out, "load", load_text(report["plan"]));
  }
  out << '\n';
  show_table(environments, out);
  out << '\n';
  show_starts(environments, out);
  out << '\n';
  for (const auto& environment : environments)
    if (has_load && environment.contains("against_first"))
      line(out, "difference",
           fmt::format("{} against {}: {}", kind_text(environment), first,
                       difference_text(environment["against_first"])));
  show_isolation(environments, out);
  for (const auto& excluded : report["excluded"])
    line(out, "left out",
         fmt::format("{}: {}", excluded["environment"].get<std::string>(), excluded["reason"].get<std::string>()));
  for (const auto& warning : report["warnings"]) line(out, "beware", warning.get<std::string>());
}

}  // namespace cli
