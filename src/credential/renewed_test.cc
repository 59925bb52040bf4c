#include "credential/renewed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>

#include "http/loopback.h"

namespace turnpike::credential::renewed_test {
namespace {

using std::chrono::seconds;

std::atomic<std::int64_t> time_s{0};
base::Monotonic fake_now() {
  return base::Monotonic(seconds(time_s.load()));
}

/// Gives out "token-1", "token-2", ...; a fetch waits while `gate` is shut.
class Scripted final : public RenewedSource {
 public:
  Scripted() : RenewedSource("Test", &fake_now) {}
  std::atomic<int> fetches{0};
  std::atomic<bool> gate{true};
  std::atomic<bool> fails{false};
  std::atomic<std::int64_t> life_s{3600};
  std::atomic<bool> fixed{false};

 protected:
  Task<Result<Grant>> fetch(Context context) override {
    const int number = ++fetches;
    while (!gate) co_await context.thread.sleep(std::chrono::milliseconds(1));
    if (fails) co_return base::fail(ErrorKind::UpstreamUnauthenticated, "failure " + std::to_string(number));
    Grant grant;
    grant.credential.kind = Credential::Kind::Bearer;
    grant.credential.token = base::Secret("token-" + std::to_string(number));
    grant.good_for = seconds(life_s.load());
    grant.fixed = fixed;
    co_return grant;
  }
};

/// What a caller was given: a token, or the message of an error.
struct Caller {
  http::Cancel cancel;
  std::unique_ptr<http::Client> client;
  base::Monotonic deadline = base::Monotonic::max();
  std::promise<std::string> done;
  CredentialRef credential;

  static Task<void> run(Caller& caller, std::shared_ptr<Scripted> source, net::IoThread& thread) {
    caller.client = http::Client::make(thread, {});
    Result<CredentialRef> given = co_await source->get({thread, *caller.client, caller.cancel, caller.deadline, 0});
    caller.client.reset();
    if (given) caller.credential = *given;
    source.reset();  // Whoever waits for `done` may count the owners.
    caller.done.set_value(given ? (*given)->token.reveal() : given.error().message);
  }
};

class RenewedSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    time_s = 1000;
    threads_ = net::IoThreads::start(3);
    source_ = std::make_shared<Scripted>();
  }
  net::IoThread& thread(std::size_t index) { return *threads_->all()[index % 3]; }
  void begin(Caller& caller, std::size_t index) {
    thread(index).post([this, &caller, index] { base::spawn(Caller::run(caller, source_, thread(index))); });
  }
  std::string get(std::size_t index = 0, CredentialRef* credential = nullptr) {
    Caller caller;
    std::future<std::string> done = caller.done.get_future();
    begin(caller, index);
    std::string text = done.get();
    if (credential != nullptr) *credential = caller.credential;
    return text;
  }
  /// Asks on every thread until one is given `text`: a background fetch ends when it likes.
  void until_given(const std::string& text) {
    for (std::size_t i = 0; i < 20'000; ++i) {
      if (get(i) == text) return;
    }
    FAIL() << text << " was never given";
  }
  void until_fetches(int count) {
    while (source_->fetches < count) std::this_thread::yield();
  }

  std::shared_ptr<Scripted> source_;
  std::unique_ptr<net::IoThreads> threads_;  // First to go: its threads hold the source.
};

TEST_F(RenewedSourceTest, KeepsWhatIsGood) {
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(get(i), "token-1");
  time_s += 3600 - 301;
  EXPECT_EQ(get(), "token-1");
  EXPECT_EQ(source_->fetches, 1);
}

TEST_F(RenewedSourceTest, AHundredColdCallersShareOneFetch) {
  source_->gate = false;
  std::vector<Caller> callers(100);
  std::vector<std::future<std::string>> done;
  for (std::size_t i = 0; i < callers.size(); ++i) {
    done.push_back(callers[i].done.get_future());
    begin(callers[i], i);
  }
  until_fetches(1);
  source_->gate = true;
  for (std::future<std::string>& one : done) EXPECT_EQ(one.get(), "token-1");
  EXPECT_EQ(source_->fetches, 1);
}

TEST_F(RenewedSourceTest, IsRenewedAheadWhileCallsGoOnWithTheOldOne) {
  EXPECT_EQ(get(), "token-1");
  time_s += 3600 - 299;
  source_->gate = false;
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(get(i), "token-1");
  EXPECT_EQ(source_->fetches, 2);
  source_->gate = true;
  until_given("token-2");
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(get(i), "token-2");
  EXPECT_EQ(source_->fetches, 2);
}

TEST_F(RenewedSourceTest, ShortLivesAreRenewedHalfWay) {
  source_->life_s = 100;
  EXPECT_EQ(get(), "token-1");
  time_s += 49;
  EXPECT_EQ(get(), "token-1");
  EXPECT_EQ(source_->fetches, 1);
  time_s += 1;
  EXPECT_EQ(get(), "token-1");
  until_given("token-2");
}

TEST_F(RenewedSourceTest, AnExpiredOneIsNeverGiven) {
  EXPECT_EQ(get(), "token-1");
  time_s += 3595;  // Good for five seconds more: too few to arrive.
  EXPECT_EQ(get(), "token-2");
}

TEST_F(RenewedSourceTest, AFailureIsSharedAndKeptForASecond) {
  source_->fails = true;
  EXPECT_EQ(get(0), "failure 1");
  EXPECT_EQ(get(1), "failure 1");
  EXPECT_EQ(source_->fetches, 1);
  time_s += 1;
  EXPECT_EQ(get(2), "failure 2");
  source_->fails = false;
  time_s += 1;
  EXPECT_EQ(get(0), "token-3");
}

TEST_F(RenewedSourceTest, AFailedRenewalLeavesTheOldOneInForceToItsEnd) {
  EXPECT_EQ(get(), "token-1");
  source_->fails = true;
  time_s += 3400;
  EXPECT_EQ(get(), "token-1");
  until_fetches(2);
  time_s += 100;
  EXPECT_EQ(get(), "token-1");
  time_s += 95;
  EXPECT_TRUE(get().starts_with("failure")) << "the old one has expired";
}

TEST_F(RenewedSourceTest, ARefusedOneIsReplacedOnce) {
  CredentialRef first, second;
  EXPECT_EQ(get(0, &first), "token-1");
  EXPECT_TRUE(source_->refused(first));
  EXPECT_TRUE(source_->refused(first)) << "another call with the same one: there is or will be a new one";
  EXPECT_EQ(get(1, &second), "token-2");
  EXPECT_EQ(get(0), "token-2");
  EXPECT_TRUE(source_->refused(first));
  EXPECT_EQ(get(2), "token-2") << "late news of the first one spend nothing";
  EXPECT_FALSE(source_->refused(second)) << "a new one is refused as well: it is not the token";
  EXPECT_EQ(get(0), "token-2");
  EXPECT_EQ(source_->fetches, 2);
  time_s += 10;
  EXPECT_TRUE(source_->refused(second));
  EXPECT_EQ(get(0), "token-3");
}

TEST_F(RenewedSourceTest, ARefusedOneThatIsWrittenDownIsNotAskedForAgain) {
  source_->fixed = true;
  CredentialRef first;
  EXPECT_EQ(get(0, &first), "token-1");
  EXPECT_FALSE(source_->refused(first));
  EXPECT_EQ(get(0), "token-1");
  EXPECT_EQ(source_->fetches, 1);
}

TEST_F(RenewedSourceTest, ACallersEndEndsItsWaitAndNotTheFetch) {
  source_->gate = false;
  Caller gone, late;
  late.deadline = base::monotonic_now() + std::chrono::milliseconds(20);
  std::future<std::string> gone_done = gone.done.get_future(), late_done = late.done.get_future();
  begin(gone, 0);
  begin(late, 1);
  until_fetches(1);
  thread(0).post([&gone] { gone.cancel.request(); });
  EXPECT_EQ(gone_done.get(), "The caller closed the connection.");
  EXPECT_EQ(late_done.get(),
            "litellm.Timeout: the timeout of the call expired while Test was asked for an access token.");
  source_->gate = true;
  EXPECT_EQ(get(2), "token-1");
  EXPECT_EQ(source_->fetches, 1);
}

TEST_F(RenewedSourceTest, NeverAsksTwiceAtOnceHoweverManyAsk) {
  source_->life_s = 1;  // Spent with every step of the clock.
  std::vector<Caller> callers(300);
  std::vector<std::future<std::string>> done;
  for (std::size_t i = 0; i < callers.size(); ++i) {
    done.push_back(callers[i].done.get_future());
    begin(callers[i], i);
    if (i % 100 == 99) ++time_s;
  }
  for (std::future<std::string>& one : done) EXPECT_TRUE(one.get().starts_with("token-"));
  EXPECT_LE(source_->fetches, 8);
}

}  // namespace
}  // namespace turnpike::credential::renewed_test
