// For the tests: certificates made on the spot, and a client at the other end of a socket pair.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "tls/context.h"
#include "tls/openssl.h"
#include "tls/session.h"

namespace tls::testing {

struct Identity {
  KeyPtr key;
  CertificatePtr certificate;
  KeyPair pair() const;  // with the file names "NAME.crt" and "NAME.key"
  std::string name;
};

struct Wish {
  std::vector<std::string> hosts = {};
  const Identity* issuer = nullptr;  // null: signs itself
  bool rsa = false;
  int rsa_bits = 2048;
  int days_from = -1, days_to = 30;
  bool is_authority = false;
};
Identity make_identity(const std::string& name, const Wish& wish = {});
std::string key_text(EVP_PKEY* key, const char* password = nullptr);

// The SSL_CTX of clients, which verify nothing.
ContextPtr client_context(int version = 0);

// A client and our session, joined by a socket pair; nothing waits, `shake_hands` lets both take turns.
class Couple {
 public:
  Couple(const Context& context, SSL_CTX* client_context, const char* server_name = nullptr);
  ~Couple();

  // Whether both ends have finished.
  bool shake_hands();
  SSL* client() { return client_.get(); }
  Session& session() { return *session_; }
  int server_socket() const { return sockets_.ours.get(); }
  int client_socket() const { return sockets_.theirs.get(); }
  // What the client receives until nothing more comes.
  std::string client_reads();
  void client_writes(std::string_view bytes);
  std::string served_name();  // common name of the certificate that the client was shown

 private:
  base::SocketPair sockets_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> client_;
};

}  // namespace tls::testing
