#include "cli/deploy_view.h"

#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/printable.h"

namespace cli {
namespace {

constexpr std::size_t kNameWidth = 10, kTextWidth = 51;

void print_indented(std::ostream& out, const std::string& text, std::string_view indent) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    auto end = std::min(text.find('\n', begin), text.size());
    out << indent << printable(std::string_view(text).substr(begin, end - begin)) << '\n';
    begin = end + 1;
  }
}

}  // namespace

std::string duration_text(double milliseconds) {
  if (milliseconds < 1000) return fmt::format("{:.0f} ms", milliseconds);
  if (milliseconds < 60'000) return fmt::format("{:.1f} s", milliseconds / 1000);
  auto seconds = static_cast<long>(milliseconds / 1000);
  return fmt::format("{} min {} s", seconds / 60, seconds % 60);
}

std::string time_text(long long seconds_since_epoch) {
  std::time_t time = seconds_since_epoch;
  std::tm parts{};
  ::localtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (unsigned char c : text) count += (c & 0xC0) != 0x80;
  return count;
}

std::string padded(std::string_view text, std::size_t width) {
  auto used = columns(text);
  return std::string(text) + std::string(used < width ? width - used : 0, ' ');
}

void DeployView::show(const json& event) {
  auto kind = event.value("event", "");
  if (kind == "step") show_step(event);
  if (kind == "note") clear_running(), out_ << "            " << printable(event.value("text", "")) << '\n';
  if (kind == "failed") show_failure(event);
  if (kind == "done") show_done(event);
  out_ << std::flush;
}

void DeployView::show_step(const json& event) {
  clear_running();
  auto name = padded(event.value("step", ""), kNameWidth);
  if (event.value("state", "") == "started") {
    if (live_) out_ << "  " << name << "…", line_is_open_ = true;
    return;
  }
  auto note = printable(event.value("note", ""));
  auto text = printable(event.value("text", ""));
  out_ << "  " << name << (note.empty() ? text : padded(text, kTextWidth) + ' ' + note) << '\n';
}

void DeployView::show_failure(const json& event) {
  clear_running();
  auto red = colours_ ? "\033[31m" : "", plain = colours_ ? "\033[0m" : "";
  out_ << "  " << padded(event.value("step", ""), kNameWidth) << red << "failed" << plain << "  "
       << printable(event.value("found", "")) << '\n';
  if (auto output = event.value("output", ""); !output.empty()) out_ << '\n', print_indented(out_, output, "    | ");
  if (auto cause = event.value("cause", ""); !cause.empty()) out_ << "\n  cause     " << printable(cause) << '\n';
  if (auto advice = event.value("advice", ""); !advice.empty()) out_ << "  to do     " << printable(advice) << '\n';
  if (auto serving = event.value("still_serving", ""); !serving.empty()) out_ << "  " << printable(serving) << '\n';
  exit_code_ = 1;
}

void DeployView::show_done(const json& event) {
  clear_running();
  print_indented(out_, event.value("text", ""), "  ");
  exit_code_ = 0;
}

void DeployView::clear_running() {
  if (line_is_open_) out_ << "\r\033[K";
  line_is_open_ = false;
}

Result<int> follow_deploy(const Context& context, const Result<std::string>& deploy) {
  if (!deploy) return std::unexpected(deploy.error());
  DeployView view(std::cout, context.on_terminal(), context.colours());
  int exit_code = 1;
  auto watched = context.client().watch_deploy(*deploy, [&](const json& event) {
    if (context.json_output) {
      std::cout << event.dump() << std::endl;
      if (event.value("event", "") == "done") exit_code = 0;
    } else {
      view.show(event);
      exit_code = view.exit_code();
    }
    return true;
  });
  if (!watched) {
    return std::unexpected(
        std::move(watched.error()).add_context("watch the deploy (it goes on without us; see `serai status`)"));
  }
  return exit_code;
}

}  // namespace cli
