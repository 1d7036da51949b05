#include "worker/front/filter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "worker/front/front.h"

namespace worker::front {
namespace {

// A compressed body up to this size before compression is gathered, so that its length can be told.
constexpr std::uint64_t most_gathered = 256 * 1024;

base::Error broken(std::string what, std::string fix = {}) {
  return base::Error(base::Kind::invalid, std::move(what), std::move(fix));
}

base::Error of_another_length(std::uint64_t length, std::uint64_t declared) {
  return broken(fmt::format("the body has {} bytes and its Content-Length says {}", length, declared));
}

base::Error too_long() { return broken("the body is longer than its Content-Length"); }

}  // namespace

Filter::Filter(Front& front, Stream& inner, std::string request_id)
    : Stream(inner.ends(), inner.protocol()), front_(front), inner_(inner), request_id_(std::move(request_id)) {
  set_head(inner.head());
  if (!front.coding_options().codings.empty()) coding_.emplace(front.coding_options(), inner.head());
  if (!request_id_.empty()) show_id();
}

Filter::~Filter() { release_compressor(); }

// --- the request's id -----------------------------------------------------------------------------------------------

// The application and the access log see it as if the client had sent it.
void Filter::show_id() {
  const std::string_view name = front_.request_id_name();
  head_with_id_ = inner_.head();
  std::erase_if(head_with_id_.headers, [&](const http::Header& header) { return gives_id(header.name); });
  head_with_id_.headers.push_back({name, request_id_, http::find_header_id(name)});
  set_head(head_with_id_);
  inner_.name_request(request_id_);
}

bool Filter::gives_id(std::string_view name) const { return http::equal_ignoring_case(name, front_.request_id_name()); }

// --- the head -------------------------------------------------------------------------------------------------------

base::Result<void> Filter::start(int status, std::string_view reason) {
  id_is_given_ = false;
  if (coding_) coding_->begin(status);
  return inner_.start(status, reason);
}

base::Result<void> Filter::field(std::string_view name, std::string_view value) {
  if (!request_id_.empty() && gives_id(name)) id_is_given_ = true;
  if (coding_ && coding_->hold_back(name, value)) return {};
  return inner_.field(name, value);
}

base::Result<void> Filter::finish_head(std::optional<std::uint64_t> length) {
  given_length_ = length;
  auto done = coding_ ? choose_coding() : go_plain();
  if (!done) state_ = State::head;
  return done;
}

base::Result<void> Filter::choose_coding() {
  const auto declared = coding_->declared_length();
  if (given_length_ && declared && *given_length_ != *declared)
    return std::unexpected(of_another_length(*given_length_, *declared));
  length_ = given_length_ ? given_length_ : declared;
  chosen_ = coding_->settle(length_);
  state_ = State::undecided;
  return chosen_ == http::Coding::identity ? go_plain() : base::Result<void>();
}

base::Result<void> Filter::write_head(http::Coding coding, std::optional<std::uint64_t> length) {
  if (coding_) {
    for (const auto& [name, value] : coding_->fields(coding))
      if (auto done = inner_.field(name, value); !done) return done;
  }
  if (!request_id_.empty() && !id_is_given_) {
    if (auto done = inner_.field(front_.request_id_name(), request_id_); !done) return done;
  }
  return inner_.finish_head(length);
}

base::Result<void> Filter::go_plain() {
  state_ = State::plain;
  return write_head(http::Coding::identity, given_length_);
}

// --- the body -------------------------------------------------------------------------------------------------------

base::Result<void> Filter::decide() {
  if (head().method == http::Method::head) {  // the protocol keeps the body back
    state_ = State::plain;
    return write_head(chosen_, std::nullopt);
  }
  const std::size_t memory = http::Compressor::memory_of(chosen_, length_);
  if (!front_.reserve(memory)) return go_plain();
  reserved_ = memory;
  compressor_ = http::Compressor::create(chosen_, length_);
  if (!compressor_) {
    release_compressor();
    return go_plain();
  }
  if (length_ && *length_ <= most_gathered) {
    state_ = State::gathering;
    return {};
  }
  return begin_compressing();
}

base::Result<void> Filter::begin_compressing() {
  state_ = State::coded;
  return write_head(chosen_, std::nullopt);
}

void Filter::release_compressor() {
  compressor_.reset();
  front_.give_back(std::exchange(reserved_, 0));
}

base::Result<void> Filter::code(std::string_view bytes, Then then) {
  taken_ += bytes.size();
  unflushed_ = then == Then::more;
  if (!compressor_->add(bytes, then, coded_))
    return std::unexpected(broken("compressing a response failed: there is no memory", "serve without --compress"));
  return state_ == State::coded ? pass_coded() : base::Result<void>();
}

base::Result<void> Filter::pass_coded() {
  if (coded_.empty()) return {};
  auto done = inner_.body(coded_);
  coded_.clear();
  return done;
}

base::Result<void> Filter::add(std::string_view bytes) {
  if (state_ == State::undecided) {
    if (auto done = decide(); !done) return done;
  }
  if (state_ == State::plain) return inner_.body(bytes);
  if (!fits(bytes.size())) return std::unexpected(too_long());
  return code(bytes, Then::more);
}

base::Result<void> Filter::body(std::string_view bytes) {
  if (state_ == State::plain) return inner_.body(bytes);
  return bytes.empty() ? base::Result<void>() : add(bytes);
}

base::Result<bool> Filter::begin_bytes(std::uint64_t size) {
  if (state_ != State::plain) return fits(size) ? base::Result<bool>(size > 0) : std::unexpected(too_long());
  auto begun = inner_.begin_bytes(size);
  bytes_are_begun_ = begun && *begun;
  return begun;
}

void Filter::end_bytes() {
  if (std::exchange(bytes_are_begun_, false)) inner_.end_bytes();
}

void Filter::append_file(std::shared_ptr<const base::Fd> file, std::uint64_t offset, std::uint64_t length) {
  if (state_ == State::undecided) {
    const bool is_plain = go_plain().has_value();
    auto begun = is_plain ? begin_bytes(length) : base::Result<bool>(false);
    failed_ = !is_plain || !begun;
    if (begun && !*begun) return;  // HEAD
  }
  if (failed_) return;
  if (state_ == State::plain) return inner_.append_file(std::move(file), offset, length);
  failed_ = !code_file(*file, offset, length);
}

// A part of a file within a body that is being compressed.
bool Filter::code_file(const base::Fd& file, std::uint64_t offset, std::uint64_t length) {
  std::vector<char> piece(64 * 1024);
  while (length > 0) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(length, piece.size()));
    const ssize_t count = ::pread(file.get(), piece.data(), most, static_cast<off_t>(offset));
    if (count <= 0) return false;
    const auto got = static_cast<std::size_t>(count);
    if (!code({piece.data(), got}, Then::more)) return false;
    offset += got;
    length -= got;
  }
  return true;
}

base::Result<void> Filter::end_body() {
  if (state_ == State::undecided) return head().method == http::Method::head ? decide() : go_plain();
  if (state_ == State::plain || state_ == State::over) return {};
  if (length_ && taken_ != *length_) return std::unexpected(of_another_length(taken_, *length_));
  if (auto done = code({}, Then::end); !done) return done;
  if (std::exchange(state_, State::over) == State::gathering) {
    if (auto done = write_head(chosen_, coded_.size()); !done) return done;
  }
  auto done = pass_coded();
  release_compressor();
  return done;
}

base::Result<void> Filter::trailer(std::string_view name, std::string_view value) {
  if (auto done = end_body(); !done) return done;
  return inner_.trailer(name, value);
}

base::Result<void> Filter::end() {
  if (failed_) return std::unexpected(broken("the body could not be sent whole"));
  if (auto done = end_body(); !done) return done;
  return inner_.end();
}

// --- sending --------------------------------------------------------------------------------------------------------

void Filter::flush() {
  if (failed_) return;
  if (state_ == State::undecided) failed_ = !decide();
  if (state_ == State::gathering && taken_ < *length_) failed_ = !begin_compressing();
  if (state_ == State::coded && unflushed_ && !failed_) failed_ = !code({}, Then::flush);
}

void Filter::send_later() {
  flush();
  inner_.send_later();
}

void Filter::send_now(std::string_view bytes, const Keeper* keeper) {
  if (bytes_are_begun_) return inner_.send_now(bytes, keeper);
  if (bytes.empty())
    flush();
  else
    failed_ = failed_ || !add(bytes);
  inner_.send_now();
}

bool Filter::send_borrowed(std::string_view bytes, const Keeper* keeper) {
  if (bytes_are_begun_) return inner_.send_borrowed(bytes, keeper);
  if (bytes.empty())
    flush();
  else
    failed_ = failed_ || !add(bytes);
  return inner_.send_borrowed();
}

// --- the end --------------------------------------------------------------------------------------------------------

void Filter::on_lost() {
  auto self = front_.take(*this);
  exchange_->still_open = std::move(still_open);
  exchange_->on_lost();
}

void Filter::finish_response() {
  auto self = front_.take(*this);
  inner_.finish_response();
}

// The protocol may know a head of which nothing was said yet.
void Filter::abort_response() {
  if (!inner_.head_is_finished()) return respond(500, "Internal Server Error");
  auto self = front_.take(*this);
  inner_.abort_response();
}

void Filter::respond(int status, std::string_view text) {
  auto self = front_.take(*this);
  if (request_id_.empty() || !say(status, text)) return inner_.respond(status, text);
  inner_.finish_response();
}

base::Result<void> Filter::say(int status, std::string_view text) {
  const std::string body = std::string(text) + '\n';
  if (auto done = inner_.start(status); !done) return done;
  if (auto done = inner_.field("content-type", "text/plain; charset=utf-8"); !done) return done;
  if (auto done = inner_.field(front_.request_id_name(), request_id_); !done) return done;
  if (auto done = inner_.finish_head(body.size()); !done) return done;
  if (auto done = inner_.body(body); !done) return done;
  return inner_.end();
}

base::Result<void> Filter::open_tunnel(std::string_view protocol, std::span<const http::Header> fields) {
  if (request_id_.empty()) return inner_.open_tunnel(protocol, fields);
  std::vector<http::Header> all(fields.begin(), fields.end());
  const std::string_view name = front_.request_id_name();
  all.push_back({name, request_id_, http::find_header_id(name)});
  return inner_.open_tunnel(protocol, all);
}

}  // namespace worker::front
