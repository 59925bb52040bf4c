#include <sys/uio.h>

#include "http/head_writer.h"
#include "http/server_connection.h"

// The reply of a connection: how it is framed, and how it leaves.

namespace turnpike::http {
namespace {

constexpr std::string_view kCorsFields = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n";

/// Scratch for the head of what is being sent; copied only when a send has to wait.
std::string& scratch() {
  thread_local std::string text;
  text.clear();
  return text;
}

std::size_t total(Pieces pieces) {
  std::size_t bytes = 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  return bytes;
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || status < 200;
}

}  // namespace

ReplyFraming ServerConnection::framing_of_reply() const {
  ReplyFraming framing;
  framing.version_1_0 = framing_.version_1_0;
  framing.keep_alive = keep_alive_ && !core_->draining.load(std::memory_order_relaxed);
  if (cors_) framing.cors = kCorsFields;
  return framing;
}

Task<Status> ServerConnection::reply(const ReplyHead& head, Pieces body) {
  if (gone_) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  ReplyFraming framing = framing_of_reply();
  keep_alive_ = framing.keep_alive;
  if (!has_no_body(head.status)) framing.length = total(body);
  std::string& text = scratch();
  append_reply_head(text, head, framing);
  const bool bare = request_.method == Method::Head || has_no_body(head.status);
  head_sent_ = replied_ = true;
  Parcel parcel{text, bare ? Pieces() : body, {}};
  if (!advance(parcel)) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  if (parcel.done) co_return Status();
  co_return co_await send(parcel);
}

void ServerConnection::begin_stream(const ReplyHead& head) {
  ReplyFraming framing = framing_of_reply();
  if (framing_.version_1_0) {
    framing.keep_alive = false;  // The end of the body is the end of the connection.
  } else {
    framing.chunked = !has_no_body(head.status);
  }
  keep_alive_ = framing.keep_alive;
  streaming_ = true;
  stream_head_.clear();
  append_reply_head(stream_head_, head, framing);
}

Task<Status> ServerConnection::write(Pieces pieces) {
  if (gone_) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  const std::size_t bytes = total(pieces);
  std::string& text = scratch();
  append_owed(text);
  Parcel parcel;
  if (request_.method != Method::Head && bytes > 0) {
    parcel.pieces = pieces;
    if (!framing_.version_1_0) {
      append_chunk_size(text, bytes);
      parcel.after = "\r\n";
    }
  }
  parcel.before = text;
  if (!advance(parcel)) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  if (parcel.done) co_return Status();
  co_return co_await send(parcel);
}

void ServerConnection::append_owed(std::string& text) {
  text.append(head_sent_ ? owed_ : stream_head_);
  owed_.clear();
  head_sent_ = true;
}

bool ServerConnection::slip_in(std::string_view bytes) {
  if (gone_ || !streaming_ || replied_ || sending_ || !owed_.empty() || request_.method == Method::Head) return false;
  std::string text;
  append_owed(text);
  if (!framing_.version_1_0) append_chunk_size(text, bytes.size());
  text += bytes;
  if (!framing_.version_1_0) text += "\r\n";
  Parcel parcel{text, {}, {}};
  while (parcel.sent < text.size()) {
    const net::Io io = write_some(parcel);
    if (io.kind != net::Io::Kind::Bytes) break;  // A caller who has gone is told of by the loop.
    parcel.sent += io.bytes;
  }
  owed_ = text.substr(parcel.sent);
  return true;
}

Task<Status> ServerConnection::finish(Pieces last) {
  if (gone_) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  const std::size_t bytes = total(last);
  std::string& text = scratch();
  append_owed(text);
  replied_ = true;
  Parcel parcel;
  if (request_.method != Method::Head) {
    parcel.pieces = last;
    if (!framing_.version_1_0) {
      if (bytes > 0) append_chunk_size(text, bytes);
      parcel.after = bytes > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n";
    }
  }
  parcel.before = text;
  if (!advance(parcel)) co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
  if (parcel.done) co_return Status();
  co_return co_await send(parcel);
}

net::Io ServerConnection::write_some(const Parcel& parcel) {
  constexpr std::size_t kPiecesMax = 64;
  iovec out[kPiecesMax];
  std::size_t count = 0;
  std::size_t skip = parcel.sent;
  const auto add = [&](std::string_view piece) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      return;
    }
    if (count == kPiecesMax) return;
    out[count++] = {const_cast<char*>(piece.data() + skip), piece.size() - skip};
    skip = 0;
  };
  add(parcel.before);
  for (const std::string_view piece : parcel.pieces) add(piece);
  add(parcel.after);
  if (count == 0) return {net::Io::Kind::End, 0, 0};
  return socket_.write(out, count);
}

bool ServerConnection::advance(Parcel& parcel) {
  const std::size_t whole = parcel.before.size() + total(parcel.pieces) + parcel.after.size();
  while (parcel.sent < whole) {
    const net::Io io = write_some(parcel);
    if (io.kind == net::Io::Kind::WantsWrite) return true;
    if (io.kind != net::Io::Kind::Bytes) {
      set_gone();
      return false;
    }
    parcel.sent += io.bytes;
  }
  parcel.done = true;
  return true;
}

Task<Status> ServerConnection::send(Parcel parcel) {
  // `before` may stand in the thread's scratch, which the next reply overwrites.
  const std::string before(parcel.before);
  parcel.before = before;
  sending_ = true;
  for (;;) {
    if (!advance(parcel)) break;
    if (parcel.done) {
      sending_ = false;
      co_return Status();
    }
    const net::Wake wake = co_await socket_.wait_for(net::Socket::kWritable, core_->options.limits.write_stall_timeout);
    if (wake == net::Wake::Timeout) core_->counters.limit_write_stall.fetch_add(1, std::memory_order_relaxed);
    if (wake != net::Wake::Ready || gone_) {
      set_gone();
      break;
    }
  }
  co_return base::fail(ErrorKind::CallerGone, "the caller has closed the connection");
}

}  // namespace turnpike::http
