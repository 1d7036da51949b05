#include "base/version.h"

namespace base {

std::string_view version() { return SERAI_VERSION; }

}  // namespace base
