// instance::Emulator: one run of QEMU: started, watched, told to end, its end explained. Of the host side's loop; runs
// as the app's user in the instance's namespaces, like what starts it.
#pragma once

#include <memory>
#include <string>

#include "base/child.h"
#include "instance/output.h"

namespace instance {

class Emulator final : net::Pollable {
 public:
  // QEMU's descriptors: the other ends of the control port and of QMP. Its standard output is the guest's console.
  static constexpr int kPortNumber = 3, kQmpNumber = 4;

  struct Started {
    std::unique_ptr<Emulator> emulator;
    base::Fd port;  // our end of the control port
  };
  // `on_ended` gets what happened, in words. Called once, on a turn of its own; it may destroy the emulator.
  using OnEnded = std::function<void(const std::string& what)>;
  static base::Result<Started> start(net::Loop& loop, const std::vector<std::string>& argv, OnEnded on_ended);
  Emulator(net::Loop& loop, OnEnded on_ended);
  ~Emulator();

  // QMP `quit`, then SIGKILL.
  void quit();
  pid_t pid() const { return child_.pid(); }
  // The last lines of the console and of QEMU itself.
  std::string last_words() const;

 private:
  void on_ready(std::uint32_t) override;  // QEMU ended
  void on_console(std::string_view line);
  void on_qmp(std::string_view line);
  void tell(std::string_view command);
  std::string explain(const base::ExitStatus& status) const;

  net::Loop& loop_;
  OnEnded on_ended_;
  base::Child child_;
  base::Fd qmp_;
  std::unique_ptr<Output> console_, answers_;
  std::string tail_, reason_;
  net::Timer patience_;
  bool watching_ = false;
};

}  // namespace instance
