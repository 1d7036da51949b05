// tls::Session: the TLS of one connection, server side, on a non-blocking socket that stays the caller's.
//
//   handshake() until done ──► read, write, send_file in any order ──► close() ──► (the caller closes the socket)
//
// Deadlines are the caller's. One thread at a time. Between records it holds no buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;

namespace tls {

class CertificateSet;
class Context;

enum class Progress : std::uint8_t {
  done,         // for a transfer: some bytes were moved, perhaps not all
  wants_read,   // call again when the socket is readable
  wants_write,  // call again when the socket is writable
  ended,        // the peer has ended its direction; ours may go on
  failed,       // the connection is of no use any more; `failure` says why
};

struct Transfer {
  std::size_t bytes = 0;
  Progress progress = Progress::done;  // what stands in the way of the next byte
};

// Whether the caller has more to send right after this: packets are then filled first.
enum class Then : std::uint8_t { nothing, more };

// What was agreed, as the ASGI TLS extension tells it. Certificates are PEM text.
struct Facts {
  std::uint16_t version = 0;       // 0x0304: TLS 1.3
  std::uint16_t cipher_suite = 0;  // as in RFC 8446 appendix B.4, for example 0x1301
  std::shared_ptr<const std::string> server_certificate;
  std::vector<std::string> client_chain;  // the client's own first
  std::string client_name;                // RFC 4514; empty without a client certificate
};

class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Progress handshake();
  // After `failed`: the client spoke HTTP, not TLS; nothing was sent to it.
  bool met_plain_http() const { return socket_.met_plain_http; }

  // As much as there is, up to the size of `into`.
  Transfer read(std::span<char> into);
  // Whether `read` may give more before the socket is reported readable again.
  bool may_have_input() const;

  // Sends the pieces in order, small ones together in one record, up to 16 KiB each. What was not taken must begin
  // the next write, for OpenSSL may hold it encrypted already.
  Transfer write(std::span<const std::string_view> pieces, Then then = Then::nothing);
  Transfer write(std::string_view bytes, Then then = Then::nothing) { return write({&bytes, 1}, then); }
  // The same with bytes of a file; by sendfile(2) where the kernel encrypts. `done` with 0 bytes: the file has ended.
  Transfer send_file(int file, std::uint64_t offset, std::uint64_t length, Then then = Then::nothing);
  // Tells the peer that nothing more comes (close_notify), if everything written was taken.
  void close();

  // --- once the handshake is done
  std::string_view alpn() const;         // empty: none was agreed
  std::string_view server_name() const;  // what the client asked for (SNI); empty: nothing
  bool is_resumed() const;
  bool kernel_sends() const;
  Facts facts() const;

  const std::string& failure() const { return failure_; }

 private:
  friend class Context;
  friend struct SocketBio;

  // What the BIO between OpenSSL and the socket knows.
  struct Socket {
    int fd = -1;
    bool begun = false;  // the first byte has been read
    bool peeks = true;   // the first byte is still to be looked at, since OpenSSL's own BIO reads
    bool met_plain_http = false;
    bool drained = false;         // the last read took all that was there
    bool ended = false;           // the peer's FIN was read
    std::size_t most = SIZE_MAX;  // bytes that may still be read before some of them must be content
    Then then = Then::nothing;
  };
  struct Free {
    void operator()(ssl_st* ssl) const;
  };

  Session(int socket, std::shared_ptr<const CertificateSet> certificates);
  bool begin(bool kernel_tls);
  Progress progress_of(int result);
  bool look_at_first_byte();
  static std::string_view gather(std::span<const std::string_view> pieces, std::size_t from, std::size_t length);
  Transfer send_copied(int file, std::uint64_t offset, std::uint64_t length, Then then);

  Socket socket_;
  std::shared_ptr<const CertificateSet> certificates_;  // outlives ssl_, whose callbacks use it
  std::unique_ptr<ssl_st, Free> ssl_;
  std::size_t refused_ = 0;  // length of the record that OpenSSL still holds
  bool is_over_ = false;     // nothing will be read any more
  bool has_failed_ = false;
  std::string failure_;
};

}  // namespace tls
