// instance::Output: reads one stream of a process and splits it into lines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/loop.h"

namespace instance {

class Output final : net::Pollable {
 public:
  static constexpr std::size_t kMaxLine = 16 << 10;  // a longer line is cut into several
  using OnLine = std::function<void(std::string_view)>;

  // Owns the read end. `on_line` gets each line without its end; what is left at the end of the stream is a line too.
  static base::Result<std::unique_ptr<Output>> open(net::Loop& loop, base::Fd pipe, OnLine on_line,
                                                    std::function<void()> on_end);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();
  // Reads all that is there now.
  void drain();
  bool is_open() const { return pipe_.is_open(); }

 private:
  Output(net::Loop& loop, base::Fd pipe, OnLine on_line, std::function<void()> on_end);
  void on_ready(std::uint32_t) override;
  bool read_once();  // false: nothing more for now
  void take(std::string_view bytes);
  void finish();

  net::Loop& loop_;
  base::Fd pipe_;
  OnLine on_line_;
  std::function<void()> on_end_;
  std::string line_;
};

}  // namespace instance
