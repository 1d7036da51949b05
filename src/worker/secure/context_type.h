// The Python type serai._engine.TlsContext around tls::Context, as _engine.pyi describes it.
#pragma once

#include <memory>

#include "python/ref.h"
#include "tls/context.h"

namespace worker::secure {

// The context of a TlsContext. Throws python::Raised with TypeError for anything else.
std::shared_ptr<tls::Context> read_context(PyObject* object);

// Adds TlsContext and read_certificates.
void add_to_module(PyObject* module);

}  // namespace worker::secure
