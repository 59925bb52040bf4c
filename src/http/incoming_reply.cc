#include "http/incoming_reply.h"

#include <cstring>

#include "base/text.h"

namespace turnpike::http {
namespace {

Error gone() {
  Error error;
  error.kind = ErrorKind::CallerGone;
  error.message = "The caller closed the connection.";
  return error;
}

Error malformed(const char* why) {
  Error error;
  error.kind = ErrorKind::UpstreamMalformed;
  error.message = std::string("litellm.APIError: the provider's answer cannot be read: ") + why;
  return error;
}

}  // namespace

IncomingReply::IncomingReply(std::shared_ptr<ClientPool> pool, Origin origin, std::unique_ptr<Connection> connection,
                             ExchangeClock clock, Cancel& cancel)
    : pool_(std::move(pool)),
      origin_(std::move(origin)),
      connection_(std::move(connection)),
      clock_(clock),
      cancel_(cancel) {}

IncomingReply::~IncomingReply() {
  // A body that was not read to its end cannot be followed by another answer: the connection closes.
}

std::string_view IncomingReply::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (base::equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

Task<Status> IncomingReply::wait(std::uint8_t interest, ExchangeClock::Limit limit) {
  if (cancel_.requested()) co_return base::fail(gone());
  net::Socket& socket = connection_->socket;
  cancel_.set_action([&socket] { socket.wake(); });
  const net::Wake wake = co_await socket.wait(interest, limit.when);
  cancel_.set_action({});
  if (cancel_.requested() || wake == net::Wake::Woken) co_return base::fail(gone());
  if (wake == net::Wake::Timeout) co_return base::fail(ExchangeClock::expired(limit));
  co_return Status{};
}

Task<Result<std::size_t>> IncomingReply::receive(char* to, std::size_t size, ExchangeClock::Limit limit) {
  bool wants_write = false;
  for (;;) {
    if (!connection_->has_pending()) {
      const std::uint8_t interest = wants_write ? net::Socket::kWritable : net::Socket::kReadable;
      if (Status ready = co_await wait(interest, limit); !ready) co_return base::fail(std::move(ready.error()));
    }
    const net::Io io = connection_->read(to, size);
    switch (io.kind) {
      case net::Io::Kind::Bytes:
        last_bytes_ = pool_->loop.now();
        co_return io.bytes;
      case net::Io::Kind::End:
        co_return std::size_t{0};
      case net::Io::Kind::Failed:
        co_return std::size_t{0};  // A reset ends an answer like a close: what is missing decides.
      case net::Io::Kind::WantsRead:
        wants_write = false;
        break;
      case net::Io::Kind::WantsWrite:
        wants_write = true;
        break;
    }
  }
}

ExchangeClock::Limit IncomingReply::limit_now() const {
  return body_begun_ ? clock_.between_bytes(last_bytes_) : clock_.first_byte();
}

Task<Status> IncomingReply::read_head(bool& untouched) {
  const HeadLimits limits{pool_->options.header_bytes_max, 256};
  std::string grown;  // A head beyond one block.
  std::size_t received = 0;
  untouched = true;
  block_ = net::Block::take();
  for (;;) {
    const bool in_block = grown.empty();
    if (in_block && received == net::Block::kBytes) grown.assign(block_.data(), received);
    if (!grown.empty()) grown.resize(received + net::Block::kBytes);
    char* const data = grown.empty() ? block_.data() : grown.data();
    const std::size_t room = grown.empty() ? net::Block::kBytes - received : grown.size() - received;
    Result<std::size_t> got = co_await receive(data + received, room, clock_.first_byte());
    if (!got) co_return base::fail(std::move(got.error()));
    if (*got == 0) {
      if (received > 0) co_return base::fail(malformed("it ended inside its head"));
      co_return base::fail(ErrorKind::UpstreamConnection,
                           "litellm.APIConnectionError: the provider closed the connection without an answer");
    }
    untouched = false;
    received += *got;
    const std::string_view bytes(data, received);
    const HeadResult result = parse_reply_head(bytes, limits, status_, fields_, framing_);
    if (result.state == HeadState::Refused) co_return base::fail(malformed(result.reason));
    if (result.state == HeadState::Incomplete) {
      if (received > limits.bytes_max) co_return base::fail(malformed("its head is too large"));
      continue;
    }
    const bool informational = status_ >= 100 && status_ < 200;
    if (informational) {  // 100 Continue and the like: the answer is still to come.
      if (status_ == 101) co_return base::fail(malformed("it switched protocols"));
      std::memmove(data, data + result.head_bytes, received - result.head_bytes);
      received -= result.head_bytes;
      fields_.clear();
      framing_ = {};
      if (received == 0) continue;
      const HeadResult next = parse_reply_head(std::string_view(data, received), limits, status_, fields_, framing_);
      if (next.state != HeadState::Done) continue;
      co_return base::fail(malformed("two heads in one"));
    }
    // The fields must outlive the buffer: they move to a copy of the head.
    head_.assign(data, result.head_bytes);
    for (Field& field : fields_) {
      field.name =
          std::string_view(head_).substr(static_cast<std::size_t>(field.name.data() - data), field.name.size());
      field.value =
          std::string_view(head_).substr(static_cast<std::size_t>(field.value.data() - data), field.value.size());
    }
    if (!grown.empty()) {
      // What follows a head of more than a block is at most a block.
      const std::size_t rest = received - result.head_bytes;
      if (rest > net::Block::kBytes) co_return base::fail(malformed("its head is too large"));
      std::memcpy(block_.data(), data + result.head_bytes, rest);
      held_ = 0;
      held_end_ = rest;
    } else {
      held_ = result.head_bytes;
      held_end_ = received;
    }
    left_ = framing_.length.value_or(0);
    const bool no_body = status_ == 204 || status_ == 304 || (!framing_.chunked && framing_.length && left_ == 0);
    if (held_ == held_end_) block_.release();
    if (no_body) end_body();
    co_return Status{};
  }
}

void IncomingReply::end_body() {
  ended_ = true;
  if (framing_.keep_alive && !framing_.version_1_0 && held_ == held_end_ && connection_) {
    pool_->give_back(origin_, std::move(connection_));
  }
  connection_.reset();
}

Error IncomingReply::truncated() const {
  Error error;
  error.kind = ErrorKind::UpstreamTruncated;
  error.message = "litellm.APIConnectionError: the provider closed the connection before the end of its answer";
  return error;
}

Result<std::string_view> IncomingReply::take(char* data, std::size_t size) {
  body_begun_ = true;
  if (framing_.chunked) {
    const ChunkDecoder::Step step = chunks_.decode(data, size);
    if (chunks_.failed()) return base::fail(malformed("broken chunk framing"));
    if (chunks_.done()) {
      held_ = held_end_ = 0;
      if (step.consumed < size) framing_.keep_alive = false;  // Bytes after the end: nobody knows what they are.
      end_body();
    }
    return std::string_view(data, step.body_bytes);
  }
  if (!framing_.length) return std::string_view(data, size);
  const std::size_t mine = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
  left_ -= mine;
  if (left_ == 0) {
    held_ = held_end_ = 0;
    if (mine < size) framing_.keep_alive = false;
    end_body();
  }
  return std::string_view(data, mine);
}

Task<Result<std::string_view>> IncomingReply::read() {
  for (;;) {
    if (ended_) co_return std::string_view();
    if (held_ != held_end_) {
      char* const data = block_.data() + held_;
      const std::size_t size = held_end_ - held_;
      held_ = held_end_ = 0;
      Result<std::string_view> body = take(data, size);
      if (!body || !body->empty()) co_return body;
      continue;
    }
    block_.release();
    if (!connection_->has_pending() && !connection_->socket.readable()) {
      if (Status ready = co_await wait(net::Socket::kReadable, limit_now()); !ready)
        co_return base::fail(std::move(ready.error()));
    }
    block_ = net::Block::take();
    Result<std::size_t> got = co_await receive(block_.data(), net::Block::kBytes, limit_now());
    if (!got) co_return base::fail(std::move(got.error()));
    if (*got == 0) {
      const bool whole = !framing_.chunked && !framing_.length;  // Such a body ends with its connection.
      framing_.keep_alive = false;
      end_body();
      if (!whole) co_return base::fail(truncated());
      co_return std::string_view();
    }
    Result<std::string_view> body = take(block_.data(), *got);
    if (!body || !body->empty()) co_return body;
  }
}

Task<Result<std::string_view>> IncomingReply::read_all(std::size_t bytes_max) {
  const auto too_large = [] { return base::fail(malformed("it is too large")); };
  if (framing_.length && *framing_.length > bytes_max) co_return too_large();
  if (framing_.length && !framing_.chunked) {
    // The length is known: the rest is received where it stays.
    const std::size_t length = static_cast<std::size_t>(*framing_.length);
    whole_.reserve(length + kBodyPadding);
    whole_.resize(length);
    std::size_t filled = 0;
    if (held_ != held_end_) {
      filled = std::min(length, held_end_ - held_);
      std::memcpy(whole_.data(), block_.data() + held_, filled);
      if (held_end_ - held_ > length) framing_.keep_alive = false;
      held_ = held_end_ = 0;
    }
    block_.release();
    while (filled < length) {
      Result<std::size_t> got = co_await receive(whole_.data() + filled, length - filled, limit_now());
      if (!got) co_return base::fail(std::move(got.error()));
      if (*got == 0) co_return base::fail(truncated());
      body_begun_ = true;
      filled += *got;
    }
    left_ = 0;
    if (!ended_) end_body();
    co_return std::string_view(whole_);
  }
  for (;;) {
    Result<std::string_view> slice = co_await read();
    if (!slice) co_return slice;
    if (slice->empty()) break;
    if (whole_.size() + slice->size() > bytes_max) co_return too_large();
    whole_.append(*slice);
  }
  whole_.reserve(whole_.size() + kBodyPadding);
  co_return std::string_view(whole_);
}

}  // namespace turnpike::http
