// Ids of requests, as everywhere.
#pragma once

#include "http/request_id.h"

namespace edge {

using http::RequestId;
using http::RequestIds;
using http::view;

}  // namespace edge
