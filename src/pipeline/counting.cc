#include "pipeline/counting.h"

#include <coroutine>

#include "net/blocking.h"
#include "price/tokenizer.h"

namespace turnpike::pipeline {
namespace {

/// Above this a count would hold up the other calls of the I/O thread (the tokenizer reads about 50 MB/s).
constexpr std::size_t kInlineBytesMax = 32 * 1024;

/// Runs a count on a thread of its own and resumes the call on its I/O thread.
template <class Count>
struct CountElsewhere {
  net::IoThread& thread;
  std::function<Count()> count;
  Count result{};

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    net::run_blocking([this, waiter] {
      result = count();
      thread.post([waiter] { waiter.resume(); });
    });
  }
  Count await_resume() const noexcept { return result; }
};

template <class Count>
Task<Count> run_count(net::IoThread& thread, std::size_t bytes, std::function<Count()> count) {
  if (bytes <= kInlineBytesMax) co_return count();
  CountElsewhere<Count> elsewhere{thread, std::move(count)};
  co_return co_await elsewhere;
}

/// `bytes` may exceed the text that was kept; the rest is counted by the ratio of what is there.
std::uint64_t count_text(price::Encoding encoding, std::string_view text, std::uint64_t bytes) {
  const std::uint64_t counted = price::count_tokens(encoding, text);
  if (bytes <= text.size() || text.empty()) return counted;
  return counted * bytes / text.size();
}

}  // namespace

Task<price::PromptCount> count_prompt(Call& call, std::string_view model) {
  const std::string_view body = call.request.body;
  const price::Encoding encoding = price::encoding_of(model);
  return run_count<price::PromptCount>(*call.worker.thread, body.size(),
                                       [encoding, body] { return price::count_prompt(encoding, body); });
}

Task<std::uint64_t> count_output(Call& call, std::string_view model, std::string_view text, std::uint64_t bytes) {
  const price::Encoding encoding = price::encoding_of(model);
  return run_count<std::uint64_t>(*call.worker.thread, text.size(),
                                  [encoding, text, bytes] { return count_text(encoding, text, bytes); });
}

}  // namespace turnpike::pipeline
