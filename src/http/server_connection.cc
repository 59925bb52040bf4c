#include "http/server_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/log.h"
#include "http/chunk_decoder.h"

namespace turnpike::http {

ServerConnection::ServerConnection(std::shared_ptr<ServerCore> core, ServerCore::Shard& shard, int fd,
                                   const net::Address& peer)
    : core_(std::move(core)), shard_(shard), socket_(*shard.loop, fd, true), peer_(peer.host()) {
  place_ = shard_.connections.size();
  shard_.connections.push_back(this);
  core_->counters.connections_open.fetch_add(1, std::memory_order_relaxed);
  core_->counters.connections_total.fetch_add(1, std::memory_order_relaxed);
}

ServerConnection::~ServerConnection() {
  shard_.connections.back()->place_ = place_;
  std::swap(shard_.connections[place_], shard_.connections.back());
  shard_.connections.pop_back();
  shard_.open.fetch_sub(1, std::memory_order_relaxed);
  core_->counters.connections_open.fetch_sub(1, std::memory_order_release);
}

void ServerConnection::start(std::shared_ptr<ServerCore> core, ServerCore::Shard& shard, int fd,
                             const net::Address& peer) {
  base::spawn(serve(std::make_unique<ServerConnection>(std::move(core), shard, fd, peer)));
}

Task<void> ServerConnection::serve(std::unique_ptr<ServerConnection> self) {
  try {
    co_await self->serve_all();
  } catch (const std::exception& error) {
    base::log(base::LogLevel::Error, "a connection ended on an exception: {}", error.what());
  }
}

Task<void> ServerConnection::serve_all() {
  while (keep_alive_ && !gone_) {
    if (!co_await read_head()) break;
    if (!co_await read_body()) break;
    keep_small();
    co_await answer();
    served_ = true;
    forget_request();
  }
  // Closing while bytes wait to be read would reset the connection and could destroy the answer in flight.
  if (!gone_ && (linger_ || socket_.readable() || begin_ != end_)) co_await linger();
}

base::Monotonic ServerConnection::idle_until(base::Monotonic since) const {
  // One that has not been used yet may still be, whoever else has been told to go.
  const bool ending = served_ && core_->listener_gone.load(std::memory_order_relaxed);
  return since +
         (ending ? core_->last_request.load(std::memory_order_relaxed) : core_->options.limits.keepalive_timeout);
}

Task<bool> ServerConnection::wait_idle() {
  drop_buffers();
  const base::Monotonic since = socket_.loop().now();
  idle_ = true;
  net::Wake wake = net::Wake::Woken;
  // What has been sent is answered, also while draining.
  while (wake == net::Wake::Woken && !socket_.readable() && !gone_) {
    const base::Monotonic until = idle_until(since);
    wake = until > socket_.loop().now() ? co_await socket_.wait(net::Socket::kReadable, until) : net::Wake::Timeout;
  }
  idle_ = false;
  const bool ready = wake == net::Wake::Ready || socket_.readable();
  if (wake == net::Wake::Timeout && !core_->listener_gone.load(std::memory_order_relaxed))
    core_->counters.limit_keepalive.fetch_add(1, std::memory_order_relaxed);
  co_return ready;
}

Task<bool> ServerConnection::read_head() {
  const ServerLimits& limits = core_->options.limits;
  const HeadLimits head_limits{limits.header_bytes_max, limits.header_count_max};
  if (begin_ == end_ && !leftover_.empty()) {
    drop_buffers();
    make_room();
    std::memcpy(data_, leftover_.data(), leftover_.size());
    end_ = leftover_.size();
    leftover_.clear();
  }
  // A request begins with its first byte: a wake may be the end of the one before.
  while (begin_ == end_) {
    if (!co_await wait_idle()) co_return false;
    make_room();
    net::Io io;
    if (!take_bytes(io, data_ + end_, capacity_ - end_)) co_return false;
    end_ += io.bytes;
  }
  const base::Monotonic deadline = socket_.loop().now() + limits.header_timeout;
  constexpr std::size_t kUsualFields = 48;
  if (request_.fields.capacity() == 0) request_.fields.reserve(kUsualFields);

  bool looked = false;  // The head has been found incomplete: look at new bytes only.
  std::size_t scanned = 0;
  for (;;) {
    // RFC 9112 section 2.2: a line end before the request line is read past.
    while (!looked && end_ - begin_ >= 2 && data_[begin_] == '\r' && data_[begin_ + 1] == '\n') begin_ += 2;
    if (begin_ != end_) {
      const std::string_view bytes(data_ + begin_, end_ - begin_);
      if (!looked || find_head_end(bytes, scanned) != HeadState::Incomplete || bytes.size() >= head_limits.bytes_max) {
        const HeadResult result = parse_request_head(bytes, head_limits, request_, framing_);
        if (result.state == HeadState::Refused) {
          if (result.status == 431) core_->counters.limit_header_bytes.fetch_add(1, std::memory_order_relaxed);
          co_return co_await refuse(result.status, result.reason);
        }
        if (result.state == HeadState::Done) {
          begin_ += result.head_bytes;
          break;
        }
        looked = bytes.size() >= 2;
      }
    }
    if (!socket_.readable()) {
      const net::Wake wake = co_await socket_.wait(net::Socket::kReadable, deadline);
      if (wake == net::Wake::Timeout) {
        core_->counters.limit_header_timeout.fetch_add(1, std::memory_order_relaxed);
        co_return co_await refuse(408, "the header did not arrive in time");
      }
      if (wake == net::Wake::Woken) co_return false;
    }
    make_room();
    net::Io io;
    if (!take_bytes(io, data_ + end_, capacity_ - end_)) co_return false;
    end_ += io.bytes;
  }
  request_.peer_ip = peer_;
  request_.body = {};
  keep_alive_ = framing_.keep_alive;
  head_sent_ = replied_ = streaming_ = false;
  cors_ = core_->options.cors && !request_.find("origin").empty();
  co_return true;
}

/// False when the connection is over. `io` may hold nothing: then the caller waits again.
bool ServerConnection::take_bytes(net::Io& io, char* to, std::size_t size) {
  io = socket_.read(to, std::min(size, net::EventLoop::kTurnBytes));
  if (io.kind == net::Io::Kind::WantsRead) io.bytes = 0;
  since_turn_ += io.bytes;
  return io.kind == net::Io::Kind::Bytes || io.kind == net::Io::Kind::WantsRead;
}

void ServerConnection::make_room() {
  if (data_ == nullptr) {
    block_ = net::Block::take();
    data_ = block_.data();
    capacity_ = net::Block::kBytes;
    begin_ = end_ = 0;
  }
  if (end_ < capacity_) return;
  if (begin_ > 0) {
    std::memmove(data_, data_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return;
  }
  auto grown = std::make_unique_for_overwrite<char[]>(capacity_ * 2 + kBodyPadding);
  std::memcpy(grown.get(), data_, end_);
  grown_ = std::move(grown);
  data_ = grown_.get();
  capacity_ *= 2;
  block_.release();
  small_.release();
}

/// A call may wait for minutes: a small request moves out of the large block.
void ServerConnection::keep_small() {
  if (!block_ || begin_ != end_ || end_ > net::SmallBlock::kBytes) return;
  small_ = net::SmallBlock::take();
  std::memcpy(small_.data(), data_, end_);
  const char* const from = data_;
  const auto move = [&](std::string_view& view) {
    if (view.data() >= from && view.data() < from + end_) view = {small_.data() + (view.data() - from), view.size()};
  };
  for (Field& field : request_.fields) {
    move(field.name);
    move(field.value);
  }
  for (std::string_view* const view :
       {&request_.method_text, &request_.target, &request_.path, &request_.query, &request_.body})
    move(*view);
  data_ = small_.data();
  capacity_ = net::SmallBlock::kBytes;
  block_.release();
}

void ServerConnection::drop_buffers() {
  block_.release();
  small_.release();
  grown_.reset();
  data_ = nullptr;
  capacity_ = begin_ = end_ = 0;
  Fields().swap(request_.fields);
}

void ServerConnection::forget_request() {
  socket_.watch(nullptr, nullptr);
  gone_check_.disarm();
  gone_action_ = nullptr;
  body_.reset();
  stream_head_ = {};
  owed_ = {};
  request_.body = {};
}

Task<bool> ServerConnection::read_body() {
  if (framing_.length && *framing_.length > core_->body_bytes_max.load(std::memory_order_relaxed)) {
    core_->counters.limit_body_bytes.fetch_add(1, std::memory_order_relaxed);
    co_return co_await refuse(413, "the body is larger than the limit");
  }
  const bool has_body = framing_.chunked || framing_.length.value_or(0) > 0;
  if (!has_body) co_return true;
  if (framing_.expects_continue) {
    const Parcel parcel{"HTTP/1.1 100 Continue\r\n\r\n", {}, {}};
    if (!co_await send(parcel)) co_return false;
  }
  if (framing_.chunked) co_return co_await read_chunked_body();
  const auto length = static_cast<std::size_t>(*framing_.length);
  if (end_ - begin_ >= length) {
    request_.body = {data_ + begin_, length};
    begin_ += length;
    co_return true;
  }
  co_return co_await read_sized_body(length);
}

Task<bool> ServerConnection::wait_body(base::Monotonic begun, std::size_t have) {
  if (since_turn_ >= net::EventLoop::kTurnBytes) {
    since_turn_ = 0;
    co_await socket_.loop().turn();
  }
  if (socket_.readable()) co_return true;
  const ServerLimits& limits = core_->options.limits;
  // A byte now and then must not hold a connection for ever.
  const auto earned = std::chrono::milliseconds(have * 1000 / limits.body_bytes_per_second_min);
  const base::Monotonic until =
      std::min(socket_.loop().now() + limits.body_timeout, begun + limits.body_timeout + earned);
  const net::Wake wake = co_await socket_.wait(net::Socket::kReadable, until);
  if (wake == net::Wake::Ready) co_return true;
  if (wake == net::Wake::Timeout) {
    core_->counters.limit_body_timeout.fetch_add(1, std::memory_order_relaxed);
    co_await refuse(408, "the body did not arrive in time");
  }
  co_return false;
}

void ServerConnection::resize(Memory& memory, std::size_t bytes) {
  void* const larger = std::realloc(memory.get(), bytes);
  if (larger == nullptr) throw std::bad_alloc();
  static_cast<void>(memory.release());
  memory.reset(static_cast<char*>(larger));
}

Task<bool> ServerConnection::read_sized_body(std::size_t length) {
  std::size_t have = end_ - begin_;
  char* to = data_ + begin_;
  const bool behind_head = length <= capacity_ - begin_;
  if (!behind_head) {
    resize(body_, length + kBodyPadding);
    to = body_.get();
    std::memcpy(to, data_ + begin_, have);
  }
  const base::Monotonic begun = socket_.loop().now();
  while (have < length) {
    if (!co_await wait_body(begun, have)) co_return false;
    net::Io io;
    if (!take_bytes(io, to + have, length - have)) co_return false;
    have += io.bytes;
  }
  request_.body = {to, length};
  if (behind_head) {
    begin_ += length;
    end_ = begin_;
  } else {
    begin_ = end_;
  }
  co_return true;
}

Task<bool> ServerConnection::read_chunked_body() {
  const std::size_t bytes_max = core_->body_bytes_max.load(std::memory_order_relaxed);
  ChunkDecoder decoder;
  const ChunkDecoder::Step first = decoder.decode(data_ + begin_, end_ - begin_);
  if (decoder.failed()) co_return co_await refuse(400, "the chunked body is malformed");
  if (decoder.done() && first.body_bytes <= bytes_max) {
    request_.body = {data_ + begin_, first.body_bytes};
    begin_ += first.consumed;
    co_return true;
  }
  std::size_t size = first.body_bytes;
  std::size_t room = std::max<std::size_t>(2 * net::Block::kBytes, 2 * size);
  resize(body_, room + kBodyPadding);
  std::memcpy(body_.get(), data_ + begin_, size);
  begin_ = end_;
  net::Block block = net::Block::take();
  const base::Monotonic begun = socket_.loop().now();
  while (!decoder.done()) {
    if (!co_await wait_body(begun, size)) co_return false;
    net::Io io;
    if (!take_bytes(io, block.data(), net::Block::kBytes)) co_return false;
    const ChunkDecoder::Step step = decoder.decode(block.data(), io.bytes);
    if (decoder.failed()) co_return co_await refuse(400, "the chunked body is malformed");
    if (size + step.body_bytes > bytes_max) break;
    if (size + step.body_bytes > room) {
      room = 2 * (size + step.body_bytes);
      resize(body_, room + kBodyPadding);
    }
    std::memcpy(body_.get() + size, block.data(), step.body_bytes);
    size += step.body_bytes;
    if (decoder.done()) leftover_.assign(block.data() + step.consumed, io.bytes - step.consumed);
  }
  if (!decoder.done() || size > bytes_max) {
    core_->counters.limit_body_bytes.fetch_add(1, std::memory_order_relaxed);
    co_return co_await refuse(413, "the body is larger than the limit");
  }
  request_.body = {body_.get(), size};
  co_return true;
}

bool ServerConnection::is_preflight() const {
  return cors_ && request_.method == Method::Options && !request_.find("access-control-request-method").empty();
}

Task<void> ServerConnection::answer() {
  ServerCounters& counters = core_->counters;
  counters.requests_total.fetch_add(1, std::memory_order_relaxed);
  counters.requests_open.fetch_add(1, std::memory_order_relaxed);
  if (is_preflight()) {
    ReplyHead head{204, "", "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"};
    const std::string_view wanted = request_.find("access-control-request-headers");
    add_field(head.fields, "Access-Control-Allow-Headers", wanted.empty() ? "*" : wanted);
    add_field(head.fields, "Access-Control-Max-Age", "86400");
    co_await reply(head, {});
  } else {
    socket_.watch(&ServerConnection::changed, this);
    co_await run_handler();
  }
  counters.requests_open.fetch_sub(1, std::memory_order_release);
}

Task<void> ServerConnection::run_handler() {
  try {
    co_await core_->handler(*this);
  } catch (const std::exception& error) {
    base::log(base::LogLevel::Error, "the handler of {} {} failed: {}", request_.method_text, request_.path,
              error.what());
  }
  if (replied_ || gone_) co_return;
  if (head_sent_) {
    cut();
    co_return;
  }
  streaming_ = false;
  const std::string body = core_->error_body(500, "internal error");
  const std::string_view pieces[] = {body};
  co_await reply(ReplyHead{500, "application/json", {}}, pieces);
}

Task<bool> ServerConnection::refuse(int status, const char* reason) {
  core_->counters.rejected_framing.fetch_add(1, std::memory_order_relaxed);
  keep_alive_ = false;
  linger_ = true;
  request_.method = Method::Other;
  const std::string body = core_->error_body(status, reason);
  const std::string_view pieces[] = {body};
  co_await reply(ReplyHead{status, "application/json", {}}, pieces);
  co_return false;
}

Task<void> ServerConnection::linger() {
  socket_.shutdown_writes();
  const base::Monotonic until = socket_.loop().now() + std::chrono::seconds(2);
  net::Block block = net::Block::take();
  for (std::size_t thrown = 0; thrown < 16u << 20;) {
    if (!socket_.readable() && co_await socket_.wait(net::Socket::kReadable, until) != net::Wake::Ready) co_return;
    net::Io io;
    if (!take_bytes(io, block.data(), net::Block::kBytes)) co_return;
    thrown += io.bytes;
  }
}

void ServerConnection::cut() {
  keep_alive_ = false;
  gone_action_ = nullptr;
  set_gone();
  ::shutdown(socket_.fd(), SHUT_RDWR);
}

void ServerConnection::on_gone(std::function<void()> action) {
  gone_action_ = std::move(action);
  // Closed before anybody asked: tell it from the loop, not from inside this call.
  if (gone_action_ && (caller_gone() || interrupted_))
    socket_.loop().arm_after(gone_check_, std::chrono::milliseconds(0));
}

void ServerConnection::changed(void* self) {
  auto& connection = *static_cast<ServerConnection*>(self);
  if (connection.socket_.peer_closed()) {
    connection.set_gone();
  } else if (connection.interrupted_) {
    connection.interrupt();
  }
}

void ServerConnection::set_gone() {
  gone_ = true;
  keep_alive_ = false;
  socket_.wake();
  if (!gone_action_) return;
  const std::function<void()> action = std::exchange(gone_action_, nullptr);
  action();
}

void ServerConnection::hurry_idle() {
  if (idle_) socket_.wake();
}

void ServerConnection::interrupt() {
  interrupted_ = true;
  if (const std::function<void()> action = std::exchange(gone_action_, nullptr)) action();
}

void ServerConnection::abort() {
  ::shutdown(socket_.fd(), SHUT_RDWR);
  set_gone();
}

}  // namespace turnpike::http
