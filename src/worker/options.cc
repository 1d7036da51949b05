#include "worker/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>

#include "python/convert.h"
#include "python/error.h"
#include "worker/secure/context_type.h"

namespace worker {
namespace {

using Reader = std::function<void(Options&, std::string_view key, PyObject* value)>;

std::string read_text(std::string_view key, PyObject* value) {
  if (!PyUnicode_Check(value)) python::raise(PyExc_TypeError, fmt::format("option {} must be a str", key));
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  if (!text) python::rethrow();
  return std::string(text, static_cast<std::size_t>(size));
}

Reader text(std::string Options::* field) {
  return [field](Options& options, std::string_view key, PyObject* value) { options.*field = read_text(key, value); };
}

Reader flag(bool Options::* field) {
  return [field](Options& options, std::string_view, PyObject* value) {
    int truth = PyObject_IsTrue(value);
    python::checked(truth);
    options.*field = truth != 0;
  };
}

Reader size(std::size_t Options::* field) {
  return [field](Options& options, std::string_view key, PyObject* value) {
    if (!PyLong_Check(value)) python::raise(PyExc_TypeError, fmt::format("option {} must be an int", key));
    std::size_t number = PyLong_AsSize_t(value);
    if (PyErr_Occurred()) python::rethrow();
    options.*field = number;
  };
}

Reader seconds(nanoseconds Options::* field) {
  return [field](Options& options, std::string_view key, PyObject* value) {
    double number = PyFloat_AsDouble(value);
    if (PyErr_Occurred()) python::rethrow();
    if (!(number >= 0 && number < 1e9)) {
      python::raise(PyExc_ValueError, fmt::format("option {} is {} seconds, want 0 to 1e9", key, number));
    }
    options.*field = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(number));
  };
}

std::vector<std::string> read_texts(std::string_view key, PyObject* value) {
  const std::string complaint = fmt::format("option {} must be a list of str", key);
  python::Ref items = python::checked(PySequence_Fast(value, complaint.c_str()));
  std::vector<std::string> texts;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++)
    texts.push_back(read_text(key, PySequence_Fast_GET_ITEM(items.get(), i)));
  return texts;
}

void read_forwarded_allow(Options& options, std::string_view key, PyObject* value) {
  options.forwarded_allow = read_texts(key, value);
}

void read_compress(Options& options, std::string_view key, PyObject* value) {
  for (const std::string& name : read_texts(key, value)) {
    auto coding = http::find_coding(name);
    if (!coding || !http::is_available(*coding))
      python::raise(PyExc_ValueError, fmt::format("option {}: '{}' is not available here", key, name));
    options.compress.codings.push_back(*coding);
  }
}

void read_request_id(Options& options, std::string_view key, PyObject* value) {
  using enum Options::RequestId;
  const std::string name = read_text(key, value);
  if (name != "off" && name != "trust" && name != "generate")
    python::raise(PyExc_ValueError, fmt::format("option {} is '{}', want 'off', 'trust' or 'generate'", key, name));
  options.request_id = name == "off" ? off : name == "trust" ? trust : generate;
}

void read_statics(Options& options, std::string_view, PyObject* value) {
  python::Ref items = python::checked(PySequence_Fast(value, "option static must be a list of (prefix, folder)"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++) {
    python::Ref pair = python::checked(PySequence_Tuple(PySequence_Fast_GET_ITEM(items.get(), i)));
    const char *prefix = nullptr, *folder = nullptr;
    if (!PyArg_ParseTuple(pair.get(), "ss:static", &prefix, &folder)) python::rethrow();
    options.statics.push_back({prefix, folder});
  }
}

void read_static_max_age(Options& options, std::string_view, PyObject* value) {
  double seconds = PyFloat_AsDouble(value);
  if (PyErr_Occurred()) python::rethrow();
  options.static_max_age = std::chrono::seconds(static_cast<long>(std::clamp(seconds, 0.0, 1e9)));
}

void read_access_log(Options& options, std::string_view, PyObject* value) {
  long number = PyLong_AsLong(value);
  if (PyErr_Occurred()) python::rethrow();
  options.access_log = static_cast<int>(number);
}

void read_access_log_format(Options& options, std::string_view key, PyObject* value) {
  std::string name = read_text(key, value);
  if (name != "text" && name != "json") {
    python::raise(PyExc_ValueError, fmt::format("option {} is '{}', want 'text' or 'json'", key, name));
  }
  options.access_log_json = name == "json";
}

const std::map<std::string, Reader, std::less<>>& readers() {
  static const std::map<std::string, Reader, std::less<>> table = {
      {"root_path", text(&Options::root_path)},
      {"server_header", text(&Options::server_header)},
      {"forwarded_allow", read_forwarded_allow},
      {"max_body", size(&Options::max_body)},
      {"max_header_bytes", size(&Options::max_header_bytes)},
      {"max_headers", size(&Options::max_headers)},
      {"max_target", size(&Options::max_target)},
      {"header_timeout", seconds(&Options::header_timeout)},
      {"body_timeout", seconds(&Options::body_timeout)},
      {"keep_alive_timeout", seconds(&Options::keep_alive_timeout)},
      {"write_timeout", seconds(&Options::write_timeout)},
      {"graceful_timeout", seconds(&Options::graceful_timeout)},
      {"request_timeout", seconds(&Options::request_timeout)},
      {"max_concurrency", size(&Options::max_concurrency)},
      {"max_queue", size(&Options::max_queue)},
      {"queue_timeout", seconds(&Options::queue_timeout)},
      {"compress", read_compress},
      {"compress_min_size",
       [](Options& options, std::string_view, PyObject* value) {
         options.compress.least_size = PyLong_AsUnsignedLongLong(value);
         if (PyErr_Occurred()) python::rethrow();
       }},
      {"compress_types", [](Options& options, std::string_view key,
                            PyObject* value) { options.compress.types = read_texts(key, value); }},
      {"request_id", read_request_id},
      {"request_id_header", text(&Options::request_id_header)},
      {"static", read_statics},
      {"static_index", flag(&Options::static_index)},
      {"static_max_age", read_static_max_age},
      {"backlog_limit", size(&Options::backlog_limit)},
      {"http2", flag(&Options::http2)},
      {"ws_deflate", flag(&Options::ws_deflate)},
      {"ws_max_size", size(&Options::ws_max_size)},
      {"ws_ping_interval", seconds(&Options::ws_ping_interval)},
      {"ws_ping_timeout", seconds(&Options::ws_ping_timeout)},
      {"threads", size(&Options::threads)},
      {"max_response_spool", size(&Options::max_response_spool)},
      {"multiprocess", flag(&Options::multiprocess)},
      {"measure", flag(&Options::measure)},
      {"tls", [](Options& options, std::string_view, PyObject* value) { options.tls = secure::read_context(value); }},
      {"tls_handshake_timeout", seconds(&Options::tls_handshake_timeout)},
      {"access_log", read_access_log},
      {"access_log_format", read_access_log_format},
      {"access_log_pattern", text(&Options::access_log_pattern)},
      {"page", [](Options& options, std::string_view, PyObject* value) { options.page = python::Ref::borrow(value); }},
  };
  return table;
}

}  // namespace

Options read_options(PyObject* dict) {
  if (!PyDict_Check(dict)) python::raise(PyExc_TypeError, "options must be a dict");
  Options options;
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t position = 0; PyDict_Next(dict, &position, &key, &value);) {
    std::string name = read_text("key", key);
    auto reader = readers().find(name);
    if (reader == readers().end()) python::raise(PyExc_ValueError, fmt::format("there is no option '{}'", name));
    reader->second(options, name, value);
  }
  if (options.threads == 0) python::raise(PyExc_ValueError, "option threads is 0, want at least 1");
  return options;
}

}  // namespace worker
