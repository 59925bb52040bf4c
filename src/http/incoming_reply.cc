#include "http/incoming_reply.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace turnpike::http {
namespace {

Error malformed(const char* why) {
  Error error;
  error.kind = ErrorKind::UpstreamMalformed;
  error.message = std::string("litellm.APIError: the provider's answer cannot be read: ") + why;
  return error;
}

}  // namespace

IncomingReply::IncomingReply(std::shared_ptr<ClientPool> pool, std::unique_ptr<Connection> connection,
                             ExchangeClock clock, Cancel& cancel)
    : pool_(std::move(pool)), connection_(std::move(connection)), clock_(clock), cancel_(cancel) {
  constexpr std::size_t kUsualFields = 32;
  fields_.reserve(kUsualFields);
}

IncomingReply::~IncomingReply() {
  // A body that was not read to its end cannot be followed by another answer: the connection closes.
}

std::string_view IncomingReply::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (base::equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

PatientWait IncomingReply::wait(std::uint8_t interest, const ExchangeClock::Limit& limit) {
  return PatientWait(connection_->socket, interest, limit.when, cancel_);
}

Task<Result<std::size_t>> IncomingReply::receive(char* to, std::size_t size, ExchangeClock::Limit limit) {
  if (since_turn_ >= net::EventLoop::kTurnBytes) {
    since_turn_ = 0;
    co_await pool_->loop.turn();
  }
  std::uint8_t interest = net::Socket::kReadable;
  bool must_wait = !connection_->has_pending();
  for (;;) {
    if (must_wait) {
      const net::Wake wake = co_await wait(interest, limit);
      if (Status ready = outcome_of(wake, limit, pool_->counters); !ready)
        co_return base::fail(std::move(ready.error()));
    }
    const net::Io io = connection_->read(to, std::min(size, net::EventLoop::kTurnBytes));
    switch (io.kind) {
      case net::Io::Kind::Bytes:
        last_bytes_ = pool_->loop.now();
        since_turn_ += io.bytes;
        co_return io.bytes;
      case net::Io::Kind::End:
        co_return std::size_t{0};
      case net::Io::Kind::Failed:
        reset_ = true;
        co_return std::size_t{0};
      case net::Io::Kind::WantsRead:
        interest = net::Socket::kReadable;
        break;
      case net::Io::Kind::WantsWrite:
        interest = net::Socket::kWritable;
        break;
    }
    must_wait = true;  // Part of a TLS record is pending too, and brings nothing by itself.
  }
}

ExchangeClock::Limit IncomingReply::limit_now() const {
  return body_begun_ ? clock_.between_bytes(last_bytes_) : clock_.first_byte();
}

Task<Status> IncomingReply::read_head(bool& untouched) {
  const HeadLimits limits{pool_->options.header_bytes_max, pool_->options.header_count_max};
  std::unique_ptr<char[]> grown;  // For a head that outgrows the block.
  std::size_t capacity = net::Block::kBytes;
  std::size_t received = 0;
  untouched = true;
  if (!connection_->has_pending() && !connection_->socket.readable()) {
    // No buffer is held while the provider thinks.
    const ExchangeClock::Limit limit = clock_.first_byte();
    const net::Wake wake = co_await wait(net::Socket::kReadable, limit);
    if (Status ready = outcome_of(wake, limit, pool_->counters); !ready) co_return ready;
  }
  block_ = net::Block::take();
  for (;;) {
    char* data = grown ? grown.get() : block_.data();
    if (received == capacity) {
      auto larger = std::make_unique_for_overwrite<char[]>(capacity * 2);
      std::memcpy(larger.get(), data, received);
      grown = std::move(larger);
      data = grown.get();
      capacity *= 2;
    }
    Result<std::size_t> got = co_await receive(data + received, capacity - received, clock_.first_byte());
    if (!got) co_return base::fail(std::move(got.error()));
    if (*got == 0) {
      if (received > 0) co_return base::fail(malformed("it ended inside its head"));
      co_return base::fail(ErrorKind::UpstreamConnection,
                           "litellm.APIConnectionError: the provider closed the connection without an answer");
    }
    untouched = false;
    received += *got;
    for (;;) {
      const std::string_view bytes(data, received);
      const HeadResult result = parse_reply_head(bytes, limits, status_, fields_, framing_);
      if (result.state == HeadState::Refused) {
        if (result.status == 431) pool_->counters.limit_header.fetch_add(1, std::memory_order_relaxed);
        co_return base::fail(malformed(result.reason));
      }
      if (result.state == HeadState::Incomplete) break;
      if (status_ >= 200) co_return keep_head(data, result.head_bytes, received);
      if (status_ == 101) co_return base::fail(malformed("it switched protocols"));
      // 100 Continue and the like: the answer is still to come.
      std::memmove(data, data + result.head_bytes, received - result.head_bytes);
      received -= result.head_bytes;
    }
  }
}

Status IncomingReply::keep_head(const char* data, std::size_t head_bytes, std::size_t received) {
  // The fields must outlive the buffer: they move to a copy of the head.
  head_.assign(data, head_bytes);
  for (Field& field : fields_) {
    field.name = {head_.data() + (field.name.data() - data), field.name.size()};
    field.value = {head_.data() + (field.value.data() - data), field.value.size()};
  }
  held_ = head_bytes;
  held_end_ = received;
  if (data != block_.data()) {
    const std::size_t rest = received - head_bytes;
    if (rest > net::Block::kBytes) return base::fail(malformed("its head is too large"));
    std::memcpy(block_.data(), data + head_bytes, rest);
    held_ = 0;
    held_end_ = rest;
  }
  if (!connection_->sent_whole) framing_.keep_alive = false;
  left_ = framing_.length.value_or(0);
  const bool no_body =
      head_only_ || status_ == 204 || status_ == 304 || (!framing_.chunked && framing_.length && left_ == 0);
  if (held_ == held_end_) block_.release();
  if (no_body) end_body();
  return {};
}

void IncomingReply::end_body() {
  ended_ = true;
  if (framing_.keep_alive && !framing_.version_1_0 && held_ == held_end_ && connection_) {
    pool_->give_back(std::move(connection_));
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
      const ExchangeClock::Limit limit = limit_now();
      const net::Wake wake = co_await wait(net::Socket::kReadable, limit);
      if (Status ready = outcome_of(wake, limit, pool_->counters); !ready)
        co_return base::fail(std::move(ready.error()));
    }
    block_ = net::Block::take();
    Result<std::size_t> got = co_await receive(block_.data(), net::Block::kBytes, limit_now());
    if (!got) co_return base::fail(std::move(got.error()));
    if (*got == 0) {
      // Without a length the body ends with its connection; a reset, or TLS without its goodbye, is a cut all the same.
      const bool whole = !framing_.chunked && !framing_.length && !reset_;
      framing_.keep_alive = false;
      end_body();
      if (!whole) co_return base::fail(truncated());
      co_return std::string_view();
    }
    Result<std::string_view> body = take(block_.data(), *got);
    if (!body || !body->empty()) co_return body;
  }
}

void IncomingReply::tell_partial() {
  const bool must_wait = connection_ && !connection_->has_pending() && !connection_->socket.readable();
  if (partial_ && must_wait) std::exchange(partial_, nullptr)();
}

Task<Result<std::string_view>> IncomingReply::read_all(std::size_t bytes_max) {
  const auto too_large = [this] {
    pool_->counters.limit_body.fetch_add(1, std::memory_order_relaxed);
    return base::fail(malformed("it is larger than the limit"));
  };
  if (ended_) co_return std::string_view();
  if (framing_.length) {
    if (left_ > bytes_max) co_return too_large();
    co_return co_await read_sized();
  }
  // Small chunked answers come with their head and stay where they are.
  Result<std::string_view> slice = co_await read();
  if (!slice || slice->size() > bytes_max) co_return slice ? too_large() : slice;
  if (ended_) co_return slice;
  std::size_t size = 0;
  std::size_t room = 0;
  while (!slice->empty()) {
    if (size + slice->size() > bytes_max) co_return too_large();
    if (size + slice->size() > room) {
      room = std::max<std::size_t>(2 * (size + slice->size()), 2 * net::Block::kBytes);
      auto larger = std::make_unique_for_overwrite<char[]>(room + kBodyPadding);
      if (size > 0) std::memcpy(larger.get(), whole_.get(), size);
      whole_ = std::move(larger);
    }
    std::memcpy(whole_.get() + size, slice->data(), slice->size());
    size += slice->size();
    received_ = {whole_.get(), size};
    tell_partial();
    slice = co_await read();
    if (!slice) co_return slice;
  }
  co_return std::string_view(whole_.get(), size);
}

/// The rest of a body whose length is known, received where it stays: behind its head if it fits there.
Task<Result<std::string_view>> IncomingReply::read_sized() {
  const auto length = static_cast<std::size_t>(left_);
  if (!block_) {
    block_ = net::Block::take();
    held_ = held_end_ = 0;
  }
  std::size_t filled = std::min(length, held_end_ - held_);
  if (held_end_ - held_ > length) framing_.keep_alive = false;
  char* to = block_.data() + held_;
  if (length > net::Block::kBytes - held_) {
    whole_ = std::make_unique_for_overwrite<char[]>(length + kBodyPadding);
    std::memcpy(whole_.get(), to, filled);
    to = whole_.get();
    block_.release();
  }
  held_ = held_end_ = 0;
  while (filled < length) {
    received_ = {to, filled};
    if (filled > 0) tell_partial();
    Result<std::size_t> got = co_await receive(to + filled, length - filled, limit_now());
    if (!got) co_return base::fail(std::move(got.error()));
    if (*got == 0) {
      framing_.keep_alive = false;
      end_body();
      co_return base::fail(truncated());
    }
    body_begun_ = true;
    filled += *got;
  }
  left_ = 0;
  end_body();
  co_return std::string_view(to, length);
}

}  // namespace turnpike::http
