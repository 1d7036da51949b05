#include "worker/asgi/tls_extension.h"

#include <string>

#include "python/convert.h"

namespace worker::asgi {
namespace {

// Clients with certificates have facts of their own; those that come often stay.
constexpr std::size_t most_rendered = 32;

python::Ref text_or_none(std::string_view text) {
  return text.empty() ? python::Ref::borrow(Py_None) : python::text(text);
}

python::Ref chain_of(const std::vector<std::string>& certificates) {
  python::Ref chain = python::checked(PyTuple_New(static_cast<Py_ssize_t>(certificates.size())));
  for (std::size_t i = 0; i < certificates.size(); i++) {
    PyTuple_SET_ITEM(chain.get(), static_cast<Py_ssize_t>(i), python::text(certificates[i]).release());
  }
  return chain;
}

python::Ref render(const tls::Facts& facts) {
  python::Ref dict = python::checked(PyDict_New());
  auto set = [&](const char* key, const python::Ref& value) {
    python::set_item(dict.get(), python::interned(key).get(), value.get());
  };
  set("server_cert", facts.server_certificate ? text_or_none(*facts.server_certificate) : text_or_none({}));
  set("client_cert_chain", chain_of(facts.client_chain));
  set("client_cert_name", text_or_none(facts.client_name));
  set("client_cert_error", text_or_none({}));  // whoever shows a certificate that is no good is refused
  set("tls_version", python::integer(facts.version));
  set("cipher_suite", python::integer(facts.cipher_suite));
  return dict;
}

}  // namespace

python::Ref TlsExtension::of(const std::shared_ptr<const tls::Facts>& facts) {
  for (auto& [known, dict] : rendered_)
    if (known == facts) return python::checked(PyDict_Copy(dict.get()));
  if (rendered_.size() >= most_rendered) rendered_.clear();
  rendered_.emplace_back(facts, render(*facts));
  return python::checked(PyDict_Copy(rendered_.back().second.get()));
}

}  // namespace worker::asgi
