// Who answers a request: the edge itself, a file or an app. The one place where that is decided.
#pragma once

#include <memory>

#include "edge/exchange.h"
#include "http/message.h"

namespace edge {

class Stream;

// Puts the exchange that answers into `into` and begins it; leaves it empty when the answer is written already.
void dispatch(Stream& client, const http::RequestHead& head, std::unique_ptr<Exchange>& into);

}  // namespace edge
