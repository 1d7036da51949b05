// asgi::TlsExtension: scope["extensions"]["tls"] (asgiref, specs/tls.rst), a fresh dict for each request.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "python/ref.h"
#include "tls/session.h"

namespace worker::asgi {

class TlsExtension {
 public:
  python::Ref of(const std::shared_ptr<const tls::Facts>& facts);

 private:
  // What most connections share, rendered once. All values are immutable, so copies may share them.
  std::vector<std::pair<std::shared_ptr<const tls::Facts>, python::Ref>> rendered_;
};

}  // namespace worker::asgi
