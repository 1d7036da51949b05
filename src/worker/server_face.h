// What the Python types AsgiServer and WsgiServer have in common: the methods that only need a worker::Server.
#pragma once

#include "python/convert.h"
#include "worker/server.h"

namespace worker {

python::Ref stats(const Counters& counters);
// Descriptors from a list of int. Throws python::Raised.
std::vector<int> read_sockets(PyObject* list);
// The keyword `close_idle` of drain().
IdleConnections read_drain_arguments(PyObject* arguments, PyObject* keywords);
// Server::listen, from any thread.
void listen_later(Server& server, std::vector<int> sockets);

}  // namespace worker
