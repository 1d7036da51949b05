// Small conversions and calls that read better than the C-API functions they wrap. All throw python::Raised.
#pragma once

#include <string_view>

#include "python/error.h"
#include "python/ref.h"

namespace python {

inline Ref bytes(std::string_view view) {
  return checked(PyBytes_FromStringAndSize(view.data(), static_cast<Py_ssize_t>(view.size())));
}
// PEP 3333 "native strings": one code point per byte.
inline Ref latin1(std::string_view view) {
  return checked(PyUnicode_DecodeLatin1(view.data(), static_cast<Py_ssize_t>(view.size()), nullptr));
}
inline Ref text(std::string_view utf8) {
  return checked(PyUnicode_FromStringAndSize(utf8.data(), static_cast<Py_ssize_t>(utf8.size())));
}
inline Ref interned(const char* name) { return checked(PyUnicode_InternFromString(name)); }
inline Ref integer(long long value) { return checked(PyLong_FromLongLong(value)); }

inline Ref import(const char* module) { return checked(PyImport_ImportModule(module)); }
inline Ref attribute(PyObject* object, const char* name) { return checked(PyObject_GetAttrString(object, name)); }
inline Ref attribute(PyObject* object, PyObject* name) { return checked(PyObject_GetAttr(object, name)); }

inline void set_item(PyObject* dict, PyObject* key, PyObject* value) { checked(PyDict_SetItem(dict, key, value)); }

template <typename... Arguments>
Ref call(PyObject* callable, Arguments*... arguments) {
  PyObject* stack[] = {nullptr, arguments...};
  return checked(
      PyObject_Vectorcall(callable, stack + 1, sizeof...(arguments) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}
template <typename... Arguments>
Ref call_method(PyObject* object, PyObject* name, Arguments*... arguments) {
  PyObject* stack[] = {object, arguments...};
  return checked(PyObject_VectorcallMethod(name, stack, sizeof...(arguments) + 1, nullptr));
}

inline std::string_view view_of_bytes(PyObject* object) {
  return {PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))};
}

// A view of any contiguous buffer (bytes, bytearray, memoryview), held for a scope.
class Buffer {
 public:
  explicit Buffer(PyObject* object) { checked(PyObject_GetBuffer(object, &buffer_, PyBUF_SIMPLE)); }
  ~Buffer() { PyBuffer_Release(&buffer_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::string_view view() const {
    return {static_cast<const char*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
  }

 private:
  Py_buffer buffer_{};
};

}  // namespace python
