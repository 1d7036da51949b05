// sd_notify(3)'s protocol without the library: a datagram to NOTIFY_SOCKET. Nothing happens without it.
#pragma once

namespace control_plane {

void notify_ready();
void notify_stopping();

}  // namespace control_plane
