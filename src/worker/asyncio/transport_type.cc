#include "worker/asyncio/transport_type.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "python/convert.h"
#include "worker/asyncio/support.h"
#include "worker/state.h"

namespace worker::asyncio {
namespace {

// As asyncio's transports: the most that is read at once.
constexpr std::size_t most_read = 256 * 1024;
// Of writelines: more pieces are joined by asyncio's own method.
constexpr Py_ssize_t most_pieces = 64;

// Behind the fields of asyncio's class: what it calls _sock_fd, _conn_lost, _eof and _closing. Without references to
// objects, so that garbage collection is inherited.
struct Transport {
  int fd;
  Py_ssize_t lost;  // not 0: connection_lost was or will be called
  bool eof, closing;
};

Support& support_of(PyObject* self) { return *State::of_type(Py_TYPE(self)).asyncio_support; }

Transport& transport_of(PyObject* self) {
  return *reinterpret_cast<Transport*>(reinterpret_cast<char*>(self) + support_of(self).transport_offset);
}

// Nothing stands between the application's bytes and the socket.
bool may_send(PyObject* self) {
  const Transport& transport = transport_of(self);
  if (transport.eof || transport.lost != 0) return false;
  const Support& support = support_of(self);
  if (python::attribute(self, support.empty_waiter.get()).get() != Py_None) return false;
  const Py_ssize_t waiting = PyObject_Size(python::attribute(self, support.buffer.get()).get());
  if (waiting < 0) python::rethrow();
  return waiting == 0;
}

python::Ref as_asyncio_does(PyObject* self, const char* method, PyObject* argument) {
  python::Ref function = python::attribute(support_of(self).base_transport.get(), method);
  return argument ? python::call(function.get(), self, argument) : python::call(function.get(), self);
}

// --- writing --------------------------------------------------------------------------------------------------------

// The exception that is pending ends the connection, unless it ends the program.
void fail(PyObject* self, const char* message) {
  if (python::ends_program()) python::rethrow();
  python::Ref exception = python::take_exception();
  python::call_method(self, support_of(self).fatal_error.get(), exception.get(), python::text(message).get());
}

// How much the socket took. Nothing: it has failed, which ends the connection.
std::optional<std::size_t> send(PyObject* self, const iovec* pieces, std::size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  ssize_t sent = 0;
  do sent = ::sendmsg(transport_of(self).fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  PyErr_SetFromErrno(PyExc_OSError);
  fail(self, "Fatal write error on socket transport");
  return {};
}

iovec piece_of(PyObject* bytes) {
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

PyObject* write(PyObject* self, PyObject* data) {
  return python::guard([&]() -> PyObject* {
    if (!PyBytes_CheckExact(data) || !may_send(self)) return as_asyncio_does(self, "write", data).release();
    const iovec piece = piece_of(data);
    if (piece.iov_len == 0) return Py_NewRef(Py_None);
    const auto sent = send(self, &piece, 1);
    if (!sent || *sent == piece.iov_len) return Py_NewRef(Py_None);
    if (*sent == 0) return as_asyncio_does(self, "write", data).release();
    python::Ref rest = python::bytes(python::view_of_bytes(data).substr(*sent));
    return as_asyncio_does(self, "write", rest.get()).release();
  });
}

bool are_all_bytes(PyObject* list) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
    if (!PyBytes_CheckExact(PyList_GET_ITEM(list, i))) return false;
  return true;
}

python::Ref joined_from(const std::vector<iovec>& pieces, std::size_t position) {
  std::string rest;
  for (const iovec& piece : pieces) {
    const std::size_t skipped = std::min(position, piece.iov_len);
    rest.append(static_cast<const char*>(piece.iov_base) + skipped, piece.iov_len - skipped);
    position -= skipped;
  }
  return python::bytes(rest);
}

PyObject* writelines(PyObject* self, PyObject* list) {
  return python::guard([&]() -> PyObject* {
    if (!PyList_CheckExact(list) || PyList_GET_SIZE(list) > most_pieces || !are_all_bytes(list) || !may_send(self)) {
      return as_asyncio_does(self, "writelines", list).release();
    }
    std::vector<iovec> pieces;
    std::size_t length = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
      pieces.push_back(piece_of(PyList_GET_ITEM(list, i)));
      length += pieces.back().iov_len;
    }
    if (length == 0) return Py_NewRef(Py_None);
    const auto sent = send(self, pieces.data(), pieces.size());
    if (!sent || *sent == length) return Py_NewRef(Py_None);
    return as_asyncio_does(self, "write", joined_from(pieces, *sent).get()).release();
  });
}

// --- reading --------------------------------------------------------------------------------------------------------

ssize_t receive(int fd, void* data, std::size_t length) {
  ssize_t count = 0;
  do count = ::recv(fd, data, length, MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  return count;
}

// True when there are bytes; what else there may be is seen to.
bool has_received(PyObject* self, ssize_t count, Support& support) {
  if (count > 0) return true;
  if (count == 0) {
    python::call_method(self, support.read_ready_on_eof.get());
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    PyErr_SetFromErrno(PyExc_OSError);
    fail(self, "Fatal read error on socket transport");
  }
  return false;
}

void read_for(PyObject* protocol, PyObject* self, int fd, Support& support) {
  support.scratch.resize(most_read);
  const ssize_t count = receive(fd, support.scratch.data(), most_read);
  if (!has_received(self, count, support)) return;
  python::Ref data = python::bytes({support.scratch.data(), static_cast<std::size_t>(count)});
  std::array<PyObject*, 2> arguments = {protocol, data.get()};
  PyObject* done = PyObject_VectorcallMethod(support.data_received.get(), arguments.data(), 2, nullptr);
  if (!done) return fail(self, "Fatal error: protocol.data_received() call failed.");
  Py_DECREF(done);
}

// _read_ready: the socket is readable.
PyObject* read_ready(PyObject* self, PyObject*) {
  return python::guard([&]() -> PyObject* {
    Transport& transport = transport_of(self);
    Support& support = support_of(self);
    if (transport.lost != 0) return Py_NewRef(Py_None);
    python::Ref protocol = python::attribute(self, support.protocol.get());
    const int buffered = PyObject_IsInstance(protocol.get(), support.buffered_protocol.get());
    python::checked(buffered);
    if (buffered) return as_asyncio_does(self, "_read_ready", nullptr).release();
    read_for(protocol.get(), self, transport.fd, support);
    return Py_NewRef(Py_None);
  });
}

PyObject* is_closing(PyObject* self, PyObject*) { return PyBool_FromLong(transport_of(self).closing); }

PyMethodDef methods[] = {
    {"write", write, METH_O, nullptr},
    {"writelines", writelines, METH_O, nullptr},
    {"is_closing", is_closing, METH_NOARGS, nullptr},
    {"_read_ready", read_ready, METH_NOARGS, nullptr},
    {},
};

// --- attributes that asyncio's own code reads and writes

template <typename Integer, Integer Transport::* member>
PyObject* get_integer(PyObject* self, void*) {
  return PyLong_FromSsize_t(static_cast<Py_ssize_t>(transport_of(self).*member));
}

template <typename Integer, Integer Transport::* member>
int set_integer(PyObject* self, PyObject* value, void*) {
  const Py_ssize_t number = value ? PyLong_AsSsize_t(value) : 0;
  if (number == -1 && PyErr_Occurred()) return -1;
  transport_of(self).*member = static_cast<Integer>(number);
  return 0;
}

template <bool Transport::* member>
PyObject* get_flag(PyObject* self, void*) {
  return PyBool_FromLong(transport_of(self).*member);
}

template <bool Transport::* member>
int set_flag(PyObject* self, PyObject* value, void*) {
  const int is_true = value ? PyObject_IsTrue(value) : 0;
  if (is_true < 0) return -1;
  transport_of(self).*member = is_true != 0;
  return 0;
}

PyGetSetDef attributes[] = {
    {"_sock_fd", get_integer<int, &Transport::fd>, set_integer<int, &Transport::fd>, nullptr, nullptr},
    {"_conn_lost", get_integer<Py_ssize_t, &Transport::lost>, set_integer<Py_ssize_t, &Transport::lost>, nullptr,
     nullptr},
    {"_eof", get_flag<&Transport::eof>, set_flag<&Transport::eof>, nullptr, nullptr},
    {"_closing", get_flag<&Transport::closing>, set_flag<&Transport::closing>, nullptr, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {},
};

}  // namespace

python::Ref make_transport_type(PyObject* module, PyObject* base) {
  auto* base_type = reinterpret_cast<PyTypeObject*>(base);
  PyType_Spec spec = {"serai._engine.SocketTransport",
                      static_cast<int>(base_type->tp_basicsize + static_cast<Py_ssize_t>(sizeof(Transport))), 0,
                      Py_TPFLAGS_DEFAULT, slots};
  python::Ref bases = python::checked(PyTuple_Pack(1, base));
  return python::checked(PyType_FromModuleAndSpec(module, &spec, bases.get()));
}

}  // namespace worker::asyncio
