#include "redis/reply.h"

#include <hiredis/read.h>

#include <algorithm>
#include <charconv>
#include <new>

namespace turnpike::redis {
namespace {

/// Where the reader's next object goes: into the list it is an element of, or a new reply.
Reply* place_of(const redisReadTask* task) {
  if (task->parent == nullptr) return new Reply;
  return &static_cast<Reply*>(task->parent->obj)->list[static_cast<std::size_t>(task->idx)];
}

void* make_text(const redisReadTask* task, char* bytes, std::size_t size) {
  Reply* const reply = place_of(task);
  reply->kind = task->type == REDIS_REPLY_ERROR    ? Reply::Kind::Error
                : task->type == REDIS_REPLY_STATUS ? Reply::Kind::Status
                                                   : Reply::Kind::Text;
  reply->text.assign(bytes, size);
  return reply;
}

void* make_list(const redisReadTask* task, int elements) {
  if (static_cast<std::size_t>(elements) > ReplyReader::kElementsMax) return nullptr;
  Reply* const reply = place_of(task);
  reply->kind = Reply::Kind::List;
  reply->list.resize(static_cast<std::size_t>(elements));
  return reply;
}

void* make_integer(const redisReadTask* task, long long value) {
  Reply* const reply = place_of(task);
  reply->kind = Reply::Kind::Integer;
  reply->integer = value;
  return reply;
}

void* make_nil(const redisReadTask* task) {
  return place_of(task);
}

void free_reply(void* reply) {
  delete static_cast<Reply*>(reply);
}

redisReplyObjectFunctions* functions() {
  static redisReplyObjectFunctions all = {&make_text, &make_list, &make_integer, &make_nil, &free_reply};
  return &all;
}

tl::unexpected<Error> malformed(const char* why) {
  return base::fail(ErrorKind::UpstreamMalformed, "the answer of redis cannot be read", why);
}

}  // namespace

std::string_view Reply::error_code() const {
  return is_error() ? std::string_view(text).substr(0, text.find(' ')) : std::string_view();
}

bool Reply::is_outage() const {
  constexpr std::string_view kCodes[] = {"READONLY",    "NOAUTH",  "WRONGPASS", "NOPERM",  "LOADING",
                                         "MASTERDOWN",  "MISCONF", "OOM",       "BUSY",    "NOREPLICAS",
                                         "CLUSTERDOWN", "MOVED",   "ASK",       "TRYAGAIN"};
  if (!is_error()) return false;
  // Before version 7 what a script met stands within its own error.
  return std::ranges::find(kCodes, error_code()) != std::end(kCodes) || text.find("-READONLY ") != std::string::npos ||
         text.find("-OOM ") != std::string::npos;
}

std::int64_t Reply::integer_at(std::size_t place, std::int64_t otherwise) const {
  if (place >= list.size()) return otherwise;
  const Reply& element = list[place];
  if (element.kind == Kind::Integer) return element.integer;
  std::int64_t number = 0;
  const char* const end = element.text.data() + element.text.size();
  const auto read = std::from_chars(element.text.data(), end, number);
  return element.kind == Kind::Text && read.ec == std::errc() && read.ptr == end ? number : otherwise;
}

ReplyReader::ReplyReader() : reader_(redisReaderCreateWithFunctions(functions())) {
  if (reader_ == nullptr) throw std::bad_alloc();
}

ReplyReader::~ReplyReader() {
  redisReaderFree(reader_);
}

Status ReplyReader::feed(std::string_view bytes) {
  if (reader_->len - reader_->pos + bytes.size() > kBytesMax) return malformed("it is too long");
  if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != 0) return malformed(reader_->errstr);
  return {};
}

Result<std::optional<Reply>> ReplyReader::next() {
  void* made = nullptr;
  if (redisReaderGetReply(reader_, &made) != 0) return malformed(reader_->errstr);
  if (made == nullptr) return std::optional<Reply>();
  const std::unique_ptr<Reply> reply(static_cast<Reply*>(made));
  return std::optional<Reply>(std::move(*reply));
}

}  // namespace turnpike::redis
