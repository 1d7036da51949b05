// What ASGI messages hold: small readers of the dicts that applications send. All throw python::Raised.
#pragma once

#include <string>
#include <string_view>

#include "python/convert.h"

namespace worker::asgi {

// Borrowed; null when the key is not there.
inline PyObject* find(PyObject* message, const python::Ref& key) {
  PyObject* value = PyDict_GetItemWithError(message, key.get());
  if (!value && PyErr_Occurred()) python::rethrow();
  return value;
}

// The same where None means as much as nothing.
inline PyObject* find_given(PyObject* message, const python::Ref& key) {
  PyObject* value = find(message, key);
  return value == Py_None ? nullptr : value;
}

// Whether an optional entry is there and true.
inline bool is_true(PyObject* value) {
  int truth = value ? PyObject_IsTrue(value) : 0;
  python::checked(truth);
  return truth != 0;
}

inline bool equals(PyObject* text, const python::Ref& name) {
  if (text == name.get()) return true;
  return PyUnicode_Check(text) && PyUnicode_Compare(text, name.get()) == 0;
}

// The same for a name that is not worth interning.
inline bool is_text(PyObject* object, const char* text) {
  return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, text) == 0;
}

inline std::string_view require_bytes(PyObject* object, const char* what) {
  if (PyBytes_Check(object)) return python::view_of_bytes(object);
  python::raise(PyExc_TypeError, std::string(what) + " must be bytes, not " + Py_TYPE(object)->tp_name);
}

// As UTF-8, for as long as the object lives.
inline std::string_view require_text(PyObject* object, const char* what) {
  if (!PyUnicode_Check(object)) {
    python::raise(PyExc_TypeError, std::string(what) + " must be str, not " + Py_TYPE(object)->tp_name);
  }
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(object, &size);
  if (!text) python::rethrow();
  return {text, static_cast<std::size_t>(size)};
}

// Calls `visit(name, value)` for each pair of bytes of a `headers` value.
template <typename Visit>
void for_each_header(PyObject* headers, Visit&& visit) {
  python::Ref list = python::checked(PySequence_Fast(headers, "headers must be an iterable of pairs"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); i++) {
    python::Ref pair = python::checked(
        PySequence_Fast(PySequence_Fast_GET_ITEM(list.get(), i), "each header must be a pair of bytes"));
    if (PySequence_Fast_GET_SIZE(pair.get()) != 2) {
      python::raise(PyExc_ValueError, "each header must be a pair of bytes");
    }
    visit(require_bytes(PySequence_Fast_GET_ITEM(pair.get(), 0), "a header name"),
          require_bytes(PySequence_Fast_GET_ITEM(pair.get(), 1), "a header value"));
  }
}

}  // namespace worker::asgi
