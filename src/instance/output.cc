#include "instance/output.h"

#include <array>

namespace instance {

Output::Output(net::Loop& loop, base::Fd pipe, OnLine on_line, std::function<void()> on_end)
    : loop_(loop), pipe_(std::move(pipe)), on_line_(std::move(on_line)), on_end_(std::move(on_end)) {}

base::Result<std::unique_ptr<Output>> Output::open(net::Loop& loop, base::Fd pipe, OnLine on_line,
                                                   std::function<void()> on_end) {
  std::unique_ptr<Output> output(new Output(loop, std::move(pipe), std::move(on_line), std::move(on_end)));
  auto ready = base::set_nonblocking(output->pipe_.get(), true);
  if (ready) ready = loop.add(output->pipe_.get(), EPOLLIN, *output);
  if (!ready) return std::unexpected(ready.error());
  return output;
}

Output::~Output() {
  if (pipe_.is_open()) loop_.remove(pipe_.get(), *this);
}

void Output::on_ready(std::uint32_t) {
  // A few reads a turn: a process that never stops printing must not keep the others' lines away.
  for (int reads = 0; reads < 4; reads++)
    if (!read_once()) return;
}

void Output::drain() {
  // As much as a pipe holds: a child of the process may go on printing for ever.
  for (int reads = 0; reads < 16; reads++)
    if (!pipe_.is_open() || !read_once()) return;
}

bool Output::read_once() {
  std::array<char, 65536> chunk;
  auto count = base::read_some(pipe_.get(), chunk);
  if (count && !*count) return false;
  if (!count || **count == 0) {
    finish();
    return false;
  }
  take({chunk.data(), **count});
  return true;
}

void Output::take(std::string_view bytes) {
  for (char c : bytes) {
    if (c != '\n') line_ += c;
    if (c != '\n' && line_.size() < kMaxLine) continue;
    if (line_.ends_with('\r')) line_.pop_back();
    on_line_(line_);
    line_.clear();
  }
}

void Output::finish() {
  if (!line_.empty()) on_line_(line_);
  loop_.remove(pipe_.get(), *this);
  pipe_.close();
  on_end_();
}

}  // namespace instance
