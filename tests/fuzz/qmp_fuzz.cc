// What QEMU says: any line is understood or refused.
#include "instance/machine/qmp.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto message = instance::parse_qmp({reinterpret_cast<const char*>(data), size});
  if (message && message->kind == instance::QmpMessage::Kind::event)
    fuzz::require(!message->name.empty(), "an event has a name");
  return 0;
}
