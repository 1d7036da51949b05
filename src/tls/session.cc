#include "tls/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "tls/certificate_set.h"
#include "tls/openssl.h"
#include "tls/socket_bio.h"

namespace tls {
namespace {

constexpr std::size_t largest_record = SSL3_RT_MAX_PLAIN_LENGTH;  // 16 KiB, RFC 8446 section 5.1
constexpr std::size_t file_piece = 4 * largest_record;
// Records without content, such as KeyUpdate, are dealt with inside one call of OpenSSL's, each at the price of new
// keys: who sends more of them at once does so on purpose.
constexpr std::size_t most_without_content = 4 * largest_record;

// Memory that is used within one call only.
template <std::size_t size>
char* scratch() {
  thread_local auto memory = std::make_unique_for_overwrite<char[]>(size);
  return memory.get();
}

std::size_t size_of(std::span<const std::string_view> pieces) {
  std::size_t sum = 0;
  for (std::string_view piece : pieces) sum += piece.size();
  return sum;
}

std::string name_of(const X509* certificate) {
  BioPtr out(BIO_new(BIO_s_mem()));
  // XN_FLAG_RFC2253 is RFC 4514's form but for the escaping of UTF-8, which the latter has no need of.
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

void Session::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Session::Session(int socket, std::shared_ptr<const CertificateSet> certificates)
    : certificates_(std::move(certificates)) {
  socket_.fd = socket;
}

Session::~Session() = default;

bool Session::begin(bool kernel_tls) {
  ssl_.reset(SSL_new(certificates_->initial()));
  if (!ssl_) return false;
  SSL_set_accept_state(ssl_.get());
  // The kernel's TLS is known to OpenSSL's own BIO only.
  if (kernel_tls) return SSL_set_fd(ssl_.get(), socket_.fd) == 1;
  BIO* bio = SocketBio::create(socket_);
  if (!bio) return false;
  SSL_set_bio(ssl_.get(), bio, bio);
  socket_.peeks = false;
  return true;
}

// --- the handshake --------------------------------------------------------------------------------------------------

Progress Session::handshake() {
  if (socket_.peeks && !look_at_first_byte()) return Progress::wants_read;
  ERR_clear_error();
  errno = 0;
  Progress progress = socket_.met_plain_http ? Progress::failed : progress_of(SSL_do_handshake(ssl_.get()));
  if (socket_.met_plain_http) failure_ = "the client spoke HTTP, not TLS";
  if (progress != Progress::ended) return progress;
  failure_ = "the client left during the handshake";
  return Progress::failed;
}

// Where the socket is read by OpenSSL's own BIO. False: nothing has come yet.
bool Session::look_at_first_byte() {
  char first = 0;
  ssize_t count = ::recv(socket_.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  socket_.peeks = false;
  socket_.met_plain_http = count == 1 && SocketBio::is_plain_http(first);
  return true;
}

Progress Session::progress_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
      return Progress::done;
    case SSL_ERROR_WANT_READ:
      return Progress::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Progress::wants_write;
    case SSL_ERROR_ZERO_RETURN:
      is_over_ = true;
      return Progress::ended;
    case SSL_ERROR_SYSCALL:
      failure_ = errno ? std::generic_category().message(errno) : "the client left";
      break;
    default:
      failure_ = take_reason();
  }
  is_over_ = has_failed_ = true;
  return Progress::failed;
}

// --- reading --------------------------------------------------------------------------------------------------------

Transfer Session::read(std::span<char> into) {
  Transfer done;
  ERR_clear_error();
  do {
    std::size_t count = 0;
    errno = 0;
    socket_.most = most_without_content;
    int result = SSL_read_ex(ssl_.get(), into.data() + done.bytes, into.size() - done.bytes, &count);
    if (result != 1) {
      Progress progress = progress_of(result);
      if (done.bytes == 0) done.progress = progress;
      break;
    }
    done.bytes += count;
  } while (done.bytes < into.size() && may_have_input());
  return done;
}

bool Session::may_have_input() const { return is_over_ || !socket_.drained || SSL_has_pending(ssl_.get()) == 1; }

// --- writing --------------------------------------------------------------------------------------------------------

Transfer Session::write(std::span<const std::string_view> pieces, Then then) {
  Transfer done;
  const std::size_t total = size_of(pieces);
  ERR_clear_error();
  while (done.bytes < total) {
    std::size_t left = total - done.bytes;
    std::size_t length = refused_ ? refused_ : std::min(left, largest_record);
    if (length > left) {
      failure_ = "less is to be written than was refused before";
      return {done.bytes, Progress::failed};
    }
    std::string_view record = gather(pieces, done.bytes, length);
    socket_.then = length < left ? Then::more : then;
    std::size_t count = 0;
    errno = 0;
    int result = SSL_write_ex(ssl_.get(), record.data(), record.size(), &count);
    if (result != 1) {
      done.progress = progress_of(result);
      refused_ = length;
      return done;
    }
    refused_ = 0;
    done.bytes += count;
  }
  return done;
}

// `length` bytes from the byte `from` on, in one piece; copied only if they are not.
std::string_view Session::gather(std::span<const std::string_view> pieces, std::size_t from, std::size_t length) {
  auto piece = pieces.begin();
  for (; from >= piece->size(); ++piece) from -= piece->size();
  if (piece->size() - from >= length) return piece->substr(from, length);
  char* record = scratch<largest_record>();
  for (std::size_t filled = 0; filled < length; ++piece, from = 0) {
    std::size_t count = std::min(piece->size() - from, length - filled);
    std::memcpy(record + filled, piece->data() + from, count);
    filled += count;
  }
  return {record, length};
}

Transfer Session::send_file(int file, std::uint64_t offset, std::uint64_t length, Then then) {
  if (!kernel_sends()) return send_copied(file, offset, length, then);
  ERR_clear_error();
  errno = 0;
  ssize_t count = SSL_sendfile(ssl_.get(), file, static_cast<off_t>(offset), length, 0);
  if (count >= 0) return {static_cast<std::size_t>(count), Progress::done};
  return {0, progress_of(-1)};
}

Transfer Session::send_copied(int file, std::uint64_t offset, std::uint64_t length, Then then) {
  Transfer done;
  char* piece = scratch<file_piece>();
  while (done.bytes < length) {
    std::size_t wanted = std::min<std::uint64_t>(length - done.bytes, file_piece);
    ssize_t count = ::pread(file, piece, wanted, static_cast<off_t>(offset + done.bytes));
    if (count < 0) {
      failure_ = "reading a file to send: " + std::generic_category().message(errno);
      return {done.bytes, Progress::failed};
    }
    if (count == 0) break;
    auto size = static_cast<std::size_t>(count);
    Transfer sent = write(std::string_view(piece, size), done.bytes + size < length ? Then::more : then);
    done.bytes += sent.bytes;
    done.progress = sent.progress;
    if (sent.progress != Progress::done) break;
  }
  return done;
}

void Session::close() {
  if (has_failed_ || refused_ > 0 || !SSL_is_init_finished(ssl_.get())) return;
  if (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) return;
  socket_.then = Then::nothing;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

// --- what was agreed ------------------------------------------------------------------------------------------------

std::string_view Session::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view Session::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name ? std::string_view(name) : std::string_view();
}

bool Session::is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

bool Session::kernel_sends() const { return BIO_get_ktls_send(SSL_get_wbio(ssl_.get())); }

Facts Session::facts() const {
  Facts facts;
  facts.version = static_cast<std::uint16_t>(SSL_version(ssl_.get()));
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get())) {
    facts.cipher_suite = SSL_CIPHER_get_protocol_id(cipher);
  }
  facts.server_certificate = certificates_->pem_of(SSL_get_certificate(ssl_.get()));
  X509* client = SSL_get0_peer_certificate(ssl_.get());
  if (!client) return facts;
  facts.client_name = name_of(client);
  facts.client_chain.push_back(to_pem(client));
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_.get());  // on the server's side without the client's own
  for (int i = 0; i < sk_X509_num(chain); i++) facts.client_chain.push_back(to_pem(sk_X509_value(chain, i)));
  return facts;
}

}  // namespace tls
