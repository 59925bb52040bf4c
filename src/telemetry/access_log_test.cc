#include "telemetry/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "json/document.h"
#include "json/write.h"
#include "telemetry/redact.h"

namespace turnpike::telemetry::access_log_test {
namespace {

domain::CallRecord plain_call() {
  auto caller = std::make_shared<domain::Caller>();
  caller->key_hash_hex = "ab12";
  caller->key_name = "sk-...wxyz";
  caller->key_alias = "ci";
  domain::CallRecord record;
  record.call_id = "call-1";
  record.record_id = "rec-1";
  record.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  record.span_id = "00f067aa0ba902b7";
  record.provider_request_id = "chatcmpl-9";
  record.caller = caller;
  record.route = "/v1/chat/completions";
  record.requested_model = "gpt";
  record.model_group = "gpt";
  domain::Attempt attempt;
  attempt.model_group = "gpt";
  attempt.deployment_id = "dep-1";
  attempt.provider = "openai";
  attempt.model = "gpt-4o";
  attempt.status = 200;
  record.attempts.push_back(attempt);
  record.usage.set(domain::Unit::InputTokens, 7);
  record.usage.set(domain::Unit::CachedInputTokens, 3);
  record.usage.set(domain::Unit::OutputTokens, 5);
  record.cost = Money::from_nano(54'399'000);
  record.status = domain::EntryStatus::Success;
  record.http_status = 200;
  record.end_reason = "stop";
  record.started_us = 1'771'236'000'000'042;
  record.first_byte_us = record.started_us + 120'500;
  record.ended_us = record.started_us + 1'500'007;
  record.upstream_us = 1'499'007;
  record.request_bytes = 100;
  record.reply_bytes = 200;
  record.client_ip = "10.0.0.1";
  return record;
}

std::string line_of(const domain::CallRecord& record) {
  std::string line;
  append_access_line(line, record);
  return line;
}

TEST(AccessLine, TellsACallOnOneLine) {
  EXPECT_EQ(line_of(plain_call()),
            R"({"time":"2026-02-16T10:00:00.000042Z","event":"call","call_id":"call-1","record_id":"rec-1",)"
            R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7",)"
            R"("provider_request_id":"chatcmpl-9","key_hash":"ab12","key_name":"sk-...wxyz","key_alias":"ci",)"
            R"("operation":"chat","route":"/v1/chat/completions","stream":false,"requested_model":"gpt",)"
            R"("model_group":"gpt","provider":"openai","model":"gpt-4o","deployment_id":"dep-1","outcome":"success",)"
            R"("http_status":200,"end_reason":"stop","prompt_tokens":10,"completion_tokens":5,"cached_tokens":3,)"
            R"("cost":0.054399,"duration_ms":1500.007,"first_byte_ms":120.500,"upstream_ms":1499.007,)"
            R"("overhead_ms":1.000,"request_bytes":100,"reply_bytes":200,"client_ip":"10.0.0.1"})");
}

TEST(AccessLine, ListsTheAttemptsOfACallThatNeededMoreThanOne) {
  domain::CallRecord record = plain_call();
  domain::Attempt failed = record.attempts[0];
  failed.status = 503;
  failed.error = ErrorKind::UpstreamUnavailable;
  failed.error_text = "overloaded\nplease wait";
  record.attempts.insert(record.attempts.begin(), failed);
  record.retries = 1;
  record.marks = domain::kRetried;
  const std::string line = line_of(record);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  json::Document document;
  ASSERT_TRUE(document.parse(line)) << line;
  EXPECT_EQ(document.root().find("marks").text(), "retried");
  EXPECT_EQ(document.root().find("retries").whole(), 1u);
  int attempts = 0;
  for (const json::Value attempt : document.root().find("attempts").elements()) {
    if (++attempts == 1) {
      EXPECT_EQ(attempt.find("error").text(), "upstream_unavailable");
    }
  }
  EXPECT_EQ(attempts, 2);
}

struct Secret {
  const char* name;
  const char* text;
  const char* shown;
};

const Secret kSecrets[] = {
    {"virtual key", "Incorrect API key provided: sk-proj-abcDEF123456. See x",
     "Incorrect API key provided: sk-... See x"},
    {"bearer", "Authorization: Bearer abcdef.ghi-jkl", "Authorization: Bearer ..."},
    {"Google key", "key=AIzaSyA1234567890abcdefghijk&x", "key=AIza...&x"},
    {"token in quotes", R"("hf_abcdefghijklmnop")", R"("hf_...")"},
    {"two", "sk-aaaaaa sk-bbbbbb", "sk-... sk-..."},
    {"a word with sk- inside", "task-management", "task-management"},
    {"too short to be one", "sk-1", "sk-1"},
    {"plain text", "the model gpt-4o does not exist", "the model gpt-4o does not exist"},
};

TEST(Redact, HidesWhatLooksLikeACredential) {
  for (const Secret& row : kSecrets) {
    std::string hidden;
    const bool found = redact(row.text, hidden);
    EXPECT_EQ(found ? hidden : row.text, row.shown) << row.name;
    domain::CallRecord record = plain_call();
    record.requested_model = record.error_text = record.user_agent = record.end_user = row.text;
    record.tags = {row.text};
    record.error = ErrorKind::UpstreamUnauthenticated;
    if (found) {
      EXPECT_EQ(line_of(record).find(json::quoted(row.text)), std::string::npos) << row.name;
    }
  }
}

/// Both ends of a pipe, closed at the end.
struct Pipe {
  Pipe() { EXPECT_EQ(::pipe(ends), 0); }
  ~Pipe() {
    close_reader();
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_reader() {
    if (ends[0] >= 0) ::close(ends[0]);
    ends[0] = -1;
  }
  std::string read_available() const {
    std::string text(1 << 20, '\0');
    const ssize_t got = ::read(ends[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  int ends[2] = {-1, -1};
};

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(AccessLog, WritesEveryLineOfEveryThreadWhole) {
  constexpr std::size_t kThreads = 3, kCalls = 500;
  Pipe pipe;
  std::string text;
  std::thread reader([&] {
    while (lines_in(text) < kThreads * kCalls) {
      const std::string more = pipe.read_available();
      if (more.empty()) break;
      text += more;
    }
  });
  {
    const auto log =
        AccessLog::start({.threads = kThreads, .interval = std::chrono::milliseconds(1), .descriptor = pipe.ends[1]});
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const domain::CallRecord record = plain_call();
        for (std::size_t i = 0; i < kCalls; ++i) log->call_ended(t, record);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  reader.join();
  EXPECT_EQ(lines_in(text), kThreads * kCalls);
  const std::string line = line_of(plain_call()) + "\n";
  EXPECT_EQ(text.size(), kThreads * kCalls * line.size()) << "no line is torn";
}

TEST(AccessLog, AReaderThatDoesNotReadCostsLinesAndIsCounted) {
  Pipe pipe;
  auto log =
      AccessLog::start({.interval = std::chrono::hours(1), .buffer_bytes_max = 4096, .descriptor = pipe.ends[1]});
  const domain::CallRecord record = plain_call();
  // The pipe takes 64 KiB, then the writer is stuck and the buffer fills.
  for (int i = 0; i < 5'000; ++i) log->call_ended(0, record);
  EXPECT_GT(log->lines_dropped(), 4'000u);
  pipe.close_reader();  // Frees the writer.
  log.reset();
}

TEST(AccessLog, AReaderThatHasGoneEndsNothing) {
  Pipe pipe;
  pipe.close_reader();
  auto log = AccessLog::start({.interval = std::chrono::milliseconds(1), .descriptor = pipe.ends[1]});
  log->call_ended(0, plain_call());
  log.reset();
  SUCCEED() << "no SIGPIPE";
}

TEST(AccessLog, SwitchedOffWritesNothing) {
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.ends[0], F_SETFL, O_NONBLOCK), 0);
  auto log = AccessLog::start({.descriptor = pipe.ends[1], .enabled = false});
  log->call_ended(0, plain_call());
  log.reset();
  EXPECT_EQ(pipe.read_available(), "");
}

}  // namespace
}  // namespace turnpike::telemetry::access_log_test
