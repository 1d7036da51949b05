#include "worker/secure/context_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <new>

#include "python/convert.h"
#include "python/error.h"

namespace worker::secure {
namespace {

struct TlsContext {
  PyObject_HEAD std::shared_ptr<tls::Context> context;
};

TlsContext& context_of(PyObject* self) { return *reinterpret_cast<TlsContext*>(self); }

python::Ref path_text(const std::string& path) {
  return python::checked(PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

// ValueError(message, advice).
[[noreturn]] void raise_refusal(const base::Error& error) {
  python::Ref values =
      python::checked(PyTuple_Pack(2, path_text(error.describe()).get(), path_text(error.advice()).get()));
  PyErr_SetObject(PyExc_ValueError, values.get());
  python::rethrow();
}

// --- reading what Python gives --------------------------------------------------------------------------------------

std::string read_text(PyObject* value) {
  if (!PyUnicode_Check(value)) python::raise(PyExc_TypeError, "a str is wanted");
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  if (!text) python::rethrow();
  return std::string(text, static_cast<std::size_t>(size));
}

// PEM is ASCII, but what a user names instead of it may be anything: its bytes travel as code points.
std::string read_bytes(PyObject* value) {
  if (!PyUnicode_Check(value)) python::raise(PyExc_TypeError, "a str is wanted");
  python::Ref bytes = python::checked(PyUnicode_AsLatin1String(value));
  return std::string(python::view_of_bytes(bytes.get()));
}

std::string read_path(PyObject* value) {
  python::Ref bytes = python::checked(PyUnicode_EncodeFSDefault(value));
  return std::string(python::view_of_bytes(bytes.get()));
}

// The rows of a list of tuples, each of `width`.
std::vector<python::Ref> read_rows(PyObject* value, Py_ssize_t width) {
  python::Ref list = python::checked(PySequence_Fast(value, "a list of tuples is wanted"));
  std::vector<python::Ref> rows;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); i++) {
    rows.push_back(python::checked(PySequence_Tuple(PySequence_Fast_GET_ITEM(list.get(), i))));
    if (PyTuple_GET_SIZE(rows.back().get()) != width) {
      python::raise(PyExc_ValueError, fmt::format("tuples of {} are wanted", width));
    }
  }
  return rows;
}

std::vector<tls::KeyPair> read_certificates(PyObject* value) {
  std::vector<tls::KeyPair> pairs;
  for (const python::Ref& row : read_rows(value, 4)) {
    auto field = [&](Py_ssize_t i) { return PyTuple_GET_ITEM(row.get(), i); };
    pairs.push_back({read_bytes(field(0)), read_bytes(field(1)), read_path(field(2)), read_path(field(3))});
  }
  return pairs;
}

tls::ClientCertificates read_client_certificates(const std::string& name) {
  if (name == "none") return tls::ClientCertificates::none;
  if (name == "optional") return tls::ClientCertificates::optional;
  if (name == "required") return tls::ClientCertificates::required;
  python::raise(PyExc_ValueError, "client_certificates is none, optional or required, not " + name);
}

tls::Version read_version(const std::string& name) {
  if (name == "1.2") return tls::Version::tls_1_2;
  if (name == "1.3") return tls::Version::tls_1_3;
  python::raise(PyExc_ValueError, "min_version is 1.2 or 1.3, not " + name);
}

void read_secret(tls::Options& options, PyObject* value) {
  python::Buffer secret(value);
  auto& bytes = options.ticket_secret.bytes;
  if (secret.view().size() != bytes.size()) python::raise(PyExc_ValueError, "ticket_secret has 32 bytes");
  std::ranges::copy(secret.view(), bytes.begin());
}

using Reader = std::function<void(tls::Options&, PyObject* value)>;

const std::map<std::string, Reader, std::less<>>& readers() {
  using Options = tls::Options;
  static const std::map<std::string, Reader, std::less<>> table = {
      {"certificates", [](Options& o, PyObject* value) { o.certificates = read_certificates(value); }},
      {"client_certificates",
       [](Options& o, PyObject* value) { o.client_certificates = read_client_certificates(read_text(value)); }},
      {"authorities", [](Options& o, PyObject* value) { o.client_authorities = read_bytes(value); }},
      {"authorities_file", [](Options& o, PyObject* value) { o.client_authorities_file = read_path(value); }},
      {"min_version", [](Options& o, PyObject* value) { o.least_version = read_version(read_text(value)); }},
      {"ciphers", [](Options& o, PyObject* value) { o.ciphers = read_text(value); }},
      {"ticket_secret", read_secret},
      {"ticket_period",
       [](Options& o, PyObject* value) {
         o.ticket_secret.period = PyLong_AsLongLong(value);
         if (PyErr_Occurred()) python::rethrow();
       }},
      {"http2",
       [](Options& o, PyObject* value) {
         int truth = PyObject_IsTrue(value);
         python::checked(truth);
         if (!truth) o.alpn = {"http/1.1"};
       }},
      {"kernel_tls",
       [](Options& o, PyObject* value) {
         int truth = PyObject_IsTrue(value);
         python::checked(truth);
         o.kernel_tls = truth != 0;
       }},
  };
  return table;
}

tls::Options read_options(PyObject* dict) {
  if (!PyDict_Check(dict)) python::raise(PyExc_TypeError, "a dict is wanted");
  tls::Options options;
  options.alpn = {"h2", "http/1.1"};
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t position = 0; PyDict_Next(dict, &position, &key, &value);) {
    std::string name = read_text(key);
    auto reader = readers().find(name);
    if (reader == readers().end()) python::raise(PyExc_ValueError, fmt::format("TLS has no setting '{}'", name));
    reader->second(options, value);
  }
  return options;
}

// --- the type -------------------------------------------------------------------------------------------------------

PyObject* new_context(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return python::guard([&] {
    PyObject* settings = nullptr;
    static const char* names[] = {"", nullptr};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:TlsContext", const_cast<char**>(names), &settings)) {
      python::rethrow();
    }
    auto context = tls::Context::create(read_options(settings));
    if (!context) raise_refusal(context.error());
    python::Ref self = python::checked(type->tp_alloc(type, 0));
    new (&context_of(self.get()).context) std::shared_ptr<tls::Context>(std::move(*context));
    return self.release();
  });
}

void dealloc_context(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  std::destroy_at(&context_of(self).context);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* replace(PyObject* self, PyObject* arguments) {
  return python::guard([&]() -> PyObject* {
    PyObject *certificates = nullptr, *authorities = nullptr;
    if (!PyArg_ParseTuple(arguments, "OO:replace", &certificates, &authorities)) python::rethrow();
    auto done = context_of(self).context->replace(read_certificates(certificates), read_bytes(authorities));
    if (!done) raise_refusal(done.error());
    return Py_NewRef(Py_None);
  });
}

PyObject* warnings(PyObject* self, PyObject*) {
  return python::guard([&] {
    python::Ref list = python::checked(PyList_New(0));
    for (const std::string& sentence : context_of(self).context->warnings()) {
      python::checked(PyList_Append(list.get(), path_text(sentence).get()));
    }
    return list.release();
  });
}

PyMethodDef methods[] = {
    {"replace", replace, METH_VARARGS, nullptr},
    {"warnings", warnings, METH_NOARGS, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(new_context)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_context)},
    {Py_tp_methods, methods},
    {},
};

PyType_Spec spec = {"serai._engine.TlsContext", sizeof(TlsContext), 0, Py_TPFLAGS_DEFAULT, slots};

// --- read_certificates ----------------------------------------------------------------------------------------------

python::Ref tuple_of(const tls::KeyPair& pair) {
  return python::checked(PyTuple_Pack(4, python::latin1(pair.certificate).get(), python::latin1(pair.key).get(),
                                      path_text(pair.certificate_file).get(), path_text(pair.key_file).get()));
}

PyObject* read_certificates_of(PyObject*, PyObject* paths) {
  return python::guard([&] {
    python::Ref list = python::checked(PyList_New(0));
    for (const python::Ref& row : read_rows(paths, 2)) {
      tls::KeyPairFiles files{read_path(PyTuple_GET_ITEM(row.get(), 0)), read_path(PyTuple_GET_ITEM(row.get(), 1))};
      auto pairs = tls::read_key_pairs(std::vector{std::move(files)});
      if (!pairs) raise_refusal(pairs.error());
      for (const tls::KeyPair& pair : *pairs) python::checked(PyList_Append(list.get(), tuple_of(pair).get()));
    }
    return list.release();
  });
}

PyMethodDef functions[] = {{"read_certificates", read_certificates_of, METH_O, nullptr}, {}};

}  // namespace

std::shared_ptr<tls::Context> read_context(PyObject* object) {
  bool is_one = Py_TYPE(object)->tp_dealloc == dealloc_context;
  if (!is_one) python::raise(PyExc_TypeError, "option tls must be a TlsContext");
  return context_of(object).context;
}

void add_to_module(PyObject* module) {
  python::Ref type = python::checked(PyType_FromModuleAndSpec(module, &spec, nullptr));
  python::checked(PyModule_AddObjectRef(module, "TlsContext", type.get()));
  python::checked(PyModule_AddFunctions(module, functions));
}

}  // namespace worker::secure
