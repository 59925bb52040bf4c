#include "prompt/prompt_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "db/test_postgres.h"

namespace turnpike::prompt::prompt_store_test {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;

struct Prompts : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/turnpike_prompt_test_XXXXXX";
    directory = ::mkdtemp(name);
    db::prepare_test_database(directory + "/turnpike.db");
    auto opened = db::open_test_database(directory + "/turnpike.db");
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    database = std::move(*opened);
  }
  void TearDown() override {
    database.reset();
    std::filesystem::remove_all(directory);
  }
  static std::unique_ptr<CallTexts> texts(std::string record_id, std::int64_t day, std::string request = "{}") {
    auto made = std::make_unique<CallTexts>();
    made->record_id = std::move(record_id);
    made->started_us = day * kDayUs + 5;
    made->request = std::move(request);
    return made;
  }
  std::int64_t kept(const std::string& where = "1 = 1") {
    std::int64_t count = -1;
    const Status read = database->read_now([&](db::Transaction& transaction) -> Status {
      const auto rows = transaction.run("SELECT count(*) FROM entry_text WHERE " + where, {});
      if (!rows) return base::fail(rows.error());
      count = db::as_int(rows->rows[0][0]);
      return {};
    });
    EXPECT_TRUE(read.has_value());
    return count;
  }

  std::string directory;
  std::unique_ptr<db::Database> database;
};

TEST_F(Prompts, AreStoredByTheEndAtTheLatest) {
  const std::int64_t today = base::unix_now_us() / kDayUs;
  {
    PromptStore::Options options;
    options.interval = std::chrono::hours(1);
    PromptStore store(*database, options);
    for (int i = 0; i < 250; ++i) store.push(texts("call-" + std::to_string(i), today, R"({"messages":[]})"));
    EXPECT_EQ(kept(), 0);
  }
  EXPECT_EQ(kept(R"(request = '{"messages":[]}' AND response = '{}')"), 250);
}

/// How often the store's thread has gone to sleep.
std::uint64_t sleeps() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    std::string word;
    bool is_ours = false;
    while (status >> word) {
      if (word == "Name:") is_ours = status >> word && word == "prompts";
      std::uint64_t count = 0;
      if (is_ours && word == "voluntary_ctxt_switches:" && status >> count) return count;
    }
  }
  ADD_FAILURE() << "no thread of that name";
  return 0;
}

TEST_F(Prompts, WakeTheirThreadAndNothingElseDoes) {
  PromptStore::Options options;
  options.interval = std::chrono::milliseconds(1);
  PromptStore store(*database, options);
  const std::int64_t today = base::unix_now_us() / kDayUs;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    store.push(texts("call-" + std::to_string(i), today));
    while (store.counters().stored.load() < i) std::this_thread::yield();
  }
  const std::uint64_t before = sleeps();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // As many intervals.
  EXPECT_LT(sleeps() - before, 10u);
}

TEST_F(Prompts, AreDroppedAndCountedWhereThereIsNoRoomOrNoDatabase) {
  const std::int64_t today = base::unix_now_us() / kDayUs;
  const auto counts = [&](std::int64_t queued_bytes_max) {
    PromptStore::Options options;
    options.interval = std::chrono::milliseconds(1);
    options.queued_bytes_max = queued_bytes_max;
    PromptStore store(*database, options);
    store.push(texts("a call", today, std::string(5000, ' ') + "{}"));
    for (;;) {
      const std::pair counted(store.counters().stored.load(), store.counters().dropped.load());
      if (counted.first + counted.second > 0) return counted;
      std::this_thread::yield();
    }
  };
  using Counts = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_EQ(counts(5000), Counts(0, 1)) << "no room";
  EXPECT_EQ(counts(50'000), Counts(1, 0));
  EXPECT_EQ(kept(), 1);
  ASSERT_TRUE(database->transact_now([](db::Transaction& t) -> Status {
    const auto gone = t.run("DROP TABLE entry_text", {});
    return gone ? Status() : base::fail(gone.error());
  }));
  EXPECT_EQ(counts(50'000), Counts(0, 1)) << "nowhere to go";
}

TEST_F(Prompts, GoWhenTheirDaysAreOver) {
  PromptStore::Options options;
  options.interval = std::chrono::hours(1);
  {
    PromptStore store(*database, options);
    for (int i = 0; i < 2500; ++i) store.push(texts("old-" + std::to_string(i), 20'000));
    for (int i = 0; i < 3; ++i) store.push(texts("young-" + std::to_string(i), 20'001));
  }
  ASSERT_EQ(kept(), 2503);
  const std::atomic<bool> stop{true};
  ASSERT_TRUE(forget_prompts_before(*database, 20'001, &stop));
  EXPECT_EQ(kept(), 1503) << "a gateway that ends does not wait for all of them";
  ASSERT_TRUE(forget_prompts_before(*database, 20'001));
  EXPECT_EQ(kept(), 3);
  EXPECT_EQ(kept("day = 20001"), 3);
}

TEST(ShownTexts, HideWhatIsNobodysBusiness) {
  struct Case {
    const char* body;
    const char* shown;
  };
  const Case kCases[] = {
      {R"({"model":"m","messages":[{"role":"user","content":"hi"}]})",
       R"({"model":"m","messages":[{"role":"user","content":"hi"}]})"},
      {R"({"api_key":"sk-1","model":"m","aws_secret_access_key":"x","extra_headers":{"a":"b"}})", R"({"model":"m"})"},
      {R"({"model":"m","fallbacks":[{"model":"n","api_key":"sk-2"}],"metadata":{"a":1}})",
       R"({"model":"m","metadata":{"a":1}})"},
      {R"({"input":"0123456789abcdef!"})", R"j({"input":"0123456789abcdef... (1 bytes left out)"})j"},
      {"[1]", "{}"},
      {"{", "{}"},
      {"", "{}"},
  };
  for (const Case& c : kCases) EXPECT_EQ(shown_request(c.body, 16), c.shown);
  EXPECT_EQ(shown_response(R"( {"id":"x"})", 16), R"( {"id":"x"})");
  EXPECT_EQ(shown_response("data: {\"id\":\"i\",\"choices\":[]}\n\n", 16),
            R"({"id":"i","object":"chat.completion","created":null,"model":"","choices":[]})");
  EXPECT_EQ(shown_response("ID3 sound", 16), "{}");
  EXPECT_EQ(shown_response("", 16), "{}");
}

TEST(CallTexts, KeepNoPartOfWhatIsTooLong) {
  CallTexts texts;
  texts.add_to_response(std::string(CallTexts::kBytesMax, 'x'));
  EXPECT_EQ(texts.response.size(), CallTexts::kBytesMax);
  texts.add_to_response("x");
  texts.add_to_response("y");
  EXPECT_EQ(texts.response, "");
  texts.set_request(std::string(CallTexts::kBytesMax + 1, 'x'));
  EXPECT_EQ(texts.request, "");
}

}  // namespace
}  // namespace turnpike::prompt::prompt_store_test
