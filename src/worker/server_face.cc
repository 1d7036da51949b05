#include "worker/server_face.h"

#include "base/log.h"

namespace worker {

python::Ref stats(const Counters& counters) {
  python::Ref dict = python::checked(PyDict_New());
  for (std::size_t i = 0; i < counter_names.size(); i++) {
    python::Ref name = python::text(counter_names[i]);
    python::Ref value = python::checked(PyLong_FromUnsignedLongLong(counters.get(static_cast<Counter>(i))));
    python::set_item(dict.get(), name.get(), value.get());
  }
  return dict;
}

std::vector<int> read_sockets(PyObject* list) {
  python::Ref items = python::checked(PySequence_Fast(list, "sockets must be a list of descriptors"));
  std::vector<int> sockets;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++) {
    int fd = PyObject_AsFileDescriptor(PySequence_Fast_GET_ITEM(items.get(), i));
    python::checked(fd);
    sockets.push_back(fd);
  }
  return sockets;
}

IdleConnections read_drain_arguments(PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"close_idle", nullptr};
  int close_idle = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$p:drain", const_cast<char**>(names), &close_idle)) {
    python::rethrow();
  }
  return close_idle ? IdleConnections::close : IdleConnections::keep;
}

void listen_later(Server& server, std::vector<int> sockets) {
  server.loop().post([&server, sockets = std::move(sockets)] {
    if (auto done = server.listen(sockets); !done) {
      base::log(base::Level::error, "worker.listen_failed", {{"error", done.error().describe()}}, "cannot listen");
    }
  });
}

}  // namespace worker
