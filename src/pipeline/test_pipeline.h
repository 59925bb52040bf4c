#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "http/server.h"
#include "pipeline/call.h"
#include "pipeline/chat.h"

/// For the tests of this folder: a gateway with everything real below the routes (ledger on disk, SQLite, keys, client,
/// router) and a provider made of a handler on the same I/O threads. Exchanges, metrics and log only remember.
namespace turnpike::pipeline {

/// One request, and what was answered; lives on one I/O thread.
class FakeExchange : public http::Exchange {
 public:
  FakeExchange(net::IoThread& thread, std::string body, std::vector<std::pair<std::string, std::string>> fields)
      : thread_(thread), body_(std::move(body)), fields_(std::move(fields)) {
    request_.method = http::Method::Post;
    request_.method_text = "POST";
    request_.target = request_.path = "/v1/chat/completions";
    for (const auto& [name, value] : fields_) request_.fields.push_back({name, value});
    const std::size_t length = body_.size();
    body_.append(http::kBodyPadding, '\0');
    request_.body = std::string_view(body_).substr(0, length);
    request_.peer_ip = "127.0.0.1";
  }
  const http::Request& request() const override { return request_; }
  net::IoThread& thread() const override { return thread_; }
  Task<Status> reply(const http::ReplyHead& head, http::Pieces pieces) override {
    EXPECT_EQ(status, 0) << "answered twice";
    begin(head);
    for (const std::string_view piece : pieces) body += piece;
    ended = true;
    co_return gone_ ? base::fail(ErrorKind::CallerGone, "gone") : Status();
  }
  void begin_stream(const http::ReplyHead& head) override {
    EXPECT_EQ(status, 0) << "answered twice";
    begin(head);
  }
  Task<Status> write(http::Pieces pieces) override {
    EXPECT_FALSE(ended);
    for (const std::string_view piece : pieces) body += piece;
    if (on_write) on_write(*this);
    co_return gone_ ? base::fail(ErrorKind::CallerGone, "gone") : Status();
  }
  Task<Status> finish(http::Pieces pieces) override {
    EXPECT_FALSE(ended);
    for (const std::string_view piece : pieces) body += piece;
    ended = true;
    co_return gone_ ? base::fail(ErrorKind::CallerGone, "gone") : Status();
  }
  void cut() override { was_cut = true; }
  bool head_sent() const override { return status != 0; }
  bool caller_gone() const override { return gone_; }
  bool interrupted() const override { return interrupted_; }
  void on_gone(std::function<void()> action) override { gone_action_ = std::move(action); }

  /// The caller closes; on the exchange's own thread.
  void hang_up() {
    gone_ = true;
    if (gone_action_) std::exchange(gone_action_, {})();
  }
  /// The process ends its calls.
  void interrupt() {
    interrupted_ = true;
    if (gone_action_) std::exchange(gone_action_, {})();
  }

  int status = 0;
  std::string type, fields, body;
  bool ended = false, was_cut = false;
  std::function<void(FakeExchange&)> on_write;

 private:
  void begin(const http::ReplyHead& head) {
    status = head.status;
    type = head.content_type;
    fields = head.fields;
  }
  net::IoThread& thread_;
  std::string body_;
  std::vector<std::pair<std::string, std::string>> fields_;
  http::Request request_;
  std::function<void()> gone_action_;
  bool gone_ = false, interrupted_ = false;
};

/// Keeps every record of every thread.
class Records : public telemetry::Metrics, public telemetry::AccessLog {
 public:
  void call_ended(std::size_t, const domain::CallRecord& record) override {
    const std::lock_guard lock(mutex_);
    // Both sinks are this object: a call that is recorded twice to each would be seen four times.
    records_.push_back(record);
  }
  void observe(std::string, std::string, Kind, std::function<double()>) override {}
  void observe_text(std::function<void(std::string&)>) override {}
  void know_models(const std::vector<std::string>&) override {}
  std::string render() override { return {}; }
  Money spend_total() override { return {}; }
  std::uint64_t lines_dropped() const override { return 0; }

  /// One record per call: metrics and log have each had it once.
  std::vector<domain::CallRecord> take() {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(records_.size() % 2, 0U);
    std::vector<domain::CallRecord> once;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const bool seen = std::any_of(once.begin(), once.end(), [&](const domain::CallRecord& record) {
        return record.record_id == records_[i].record_id;
      });
      if (!seen) once.push_back(records_[i]);
    }
    EXPECT_EQ(once.size() * 2, records_.size());
    records_.clear();
    return once;
  }

 private:
  std::mutex mutex_;
  std::vector<domain::CallRecord> records_;
};

class TestPipeline {
 public:
  static constexpr const char* kKey = "sk-pipeline-0123456789";
  static constexpr std::int64_t kBudgetNano = 1'000'000'000;
  struct Size {
    std::int64_t budget_nano = kBudgetNano;
    std::uint64_t segment_bytes = 4 << 20;  // Of the journal.
  };

  /// `provider` answers on the same I/O threads; its path begins with the deployment's id.
  TestPipeline(std::size_t threads, http::Handler provider) : TestPipeline(threads, std::move(provider), Size()) {}
  TestPipeline(std::size_t threads, http::Handler provider, Size size) : size_(size) {
    directory_ = std::filesystem::temp_directory_path() / ("turnpike-pipeline-" + random_name());
    std::filesystem::create_directories(directory_ / "journal");
    database_ = db::open_sqlite((directory_ / "test.db").string()).value();
    ledger::LedgerOptions options;
    options.journal_dir = (directory_ / "journal").string();
    options.segment_bytes = size_.segment_bytes;
    ledger_ = ledger::Ledger::open(options, *database_).value();
    threads_ = net::IoThreads::start(threads);
    http::Server::Options listen;
    listen.port = 0;
    server_ = http::Server::listen(*threads_, listen, std::move(provider), [](int, std::string_view message) {
                return std::string(message);
              }).value();
    keys_ = std::make_unique<account::KeyStore>(*database_, [](const std::string&) {});
    settings = std::make_shared<config::Settings>();
    gateway.threads = threads_.get();
    gateway.database = database_.get();
    gateway.keys = keys_.get();
    gateway.ledger = ledger_.get();
    gateway.metrics = &records;
    gateway.access_log = &records;
    gateway.meters = std::make_unique<limit::Meters>();
    for (net::IoThread* thread : threads_->all()) {
      at_once(*thread, [&] {
        auto worker = std::make_unique<Worker>();
        worker->thread = thread;
        worker->index = thread->index();
        worker->client = http::Client::make(*thread, {});
        account::AuthSettings auth;
        auth.master_key = base::Secret("sk-master-0123456789");  // Without one every caller would be let in.
        worker->authenticator =
            std::make_unique<account::Authenticator>(*database_, auth, account::Authenticator::Limits{});
        worker->meters = std::make_unique<limit::NearMeters>(*gateway.meters);
        worker->limiter =
            std::make_unique<limit::Limiter>(gateway.replicas, nullptr, nullptr, limit::Limiter::Options{});
        gateway.workers.push_back(std::move(worker));
      });
    }
    on(*threads_->all().front(), [this] { return make_key(); });
  }
  ~TestPipeline() {
    ledger_->close(std::chrono::milliseconds(2000));
    for (const auto& worker : gateway.workers) {
      at_once(*worker->thread, [&] {
        worker->client.reset();
        worker->snapshot.reset();
      });
    }
    server_.reset();
    threads_.reset();
    gateway.workers.clear();
    ledger_.reset();
    database_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  /// A deployment on the provider: 1,000 nanodollars per prompt token, 2,000 per completion token.
  config::ModelEntry& add(std::string group, std::string id) {
    config::ModelEntry entry;
    entry.id = entry.identity = std::move(id);
    entry.model_name = std::move(group);
    entry.model = "openai/" + entry.id;
    entry.api_base = "http://127.0.0.1:" + std::to_string(server_->port()) + "/" + entry.id;
    entry.api_key = base::Secret("sk-provider-0123456789");
    entry.default_params_json = "{}";
    entry.model_info_json = "{}";
    settings->models.push_back(std::move(entry));
    return settings->models.back();
  }
  /// Puts `settings` in force.
  void use_settings() {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->settings = settings;
    snapshot->prices = price::Catalogue::built_in();
    const router::Pricer pricer = [prices =
                                       snapshot->prices](const router::Deployment&) -> std::shared_ptr<const void> {
      const price::PriceOverride overrides[] = {{"input_cost_per_token", "0.000001"},
                                                {"output_cost_per_token", "0.000002"}};
      price::PriceQuery query;
      query.provider = "openai";
      query.model = "of-this-test";
      query.overrides = overrides;
      return std::make_shared<const price::Prices>(prices->resolve(query).value());
    };
    std::vector<router::Problem> problems;
    router::RoutingTable::Source source{router::deployments_of(*settings, problems)};
    EXPECT_TRUE(problems.empty()) << problems.front().text;
    snapshot->routing = router::RoutingTable::build({std::move(source)}, *settings, nullptr, pricer);
    for (const auto& worker : gateway.workers) {
      at_once(*worker->thread, [&] { worker->snapshot = snapshot; });
    }
  }

  /// Serves one call on a thread and waits for its end; `prepare` sees the exchange before.
  std::unique_ptr<FakeExchange> call(std::string body, std::function<void(FakeExchange&)> prepare = {},
                                     std::size_t thread = 0) {
    auto exchange = make_exchange(std::move(body), thread);
    if (prepare) prepare(*exchange);
    on(exchange->thread(), [&] { return serve(*exchange); });
    return exchange;
  }
  std::unique_ptr<FakeExchange> make_exchange(std::string body, std::size_t thread = 0) {
    return std::make_unique<FakeExchange>(
        *threads_->all()[thread], std::move(body),
        std::vector<std::pair<std::string, std::string>>{{"Authorization", std::string("Bearer ") + kKey}});
  }
  Task<void> serve(FakeExchange& exchange) {
    return serve_call(gateway, exchange, domain::Operation::Chat, "/v1/chat/completions", "");
  }
  /// Runs a coroutine on a thread and waits for its end.
  void on(net::IoThread& thread, const std::function<Task<void>()>& make) {
    std::promise<void> done;
    thread.post([&] { base::spawn(run(make, done)); });
    done.get_future().wait();
  }
  /// Calls a function on a thread and waits for its end.
  static void at_once(net::IoThread& thread, const std::function<void()>& act) {
    std::promise<void> done;
    thread.post([&] {
      act();
      done.set_value();
    });
    done.get_future().wait();
  }
  const std::vector<net::IoThread*>& io_threads() const { return threads_->all(); }

  /// The account of the one key.
  ledger::AccountRef account() {
    std::int64_t id = 0;
    on(*threads_->all().front(), [&] { return read_account_id(id); });
    return ledger_->find_account(id);
  }
  /// No hold is left and the key has spent `nano`.
  void expect_spent(std::int64_t nano) {
    const ledger::AccountRef known = account();
    ASSERT_TRUE(known);
    const ledger::WindowRef window = known->running();
    EXPECT_EQ(window->words->held.load(), 0);
    EXPECT_EQ(window->spent().nano(), nano);
    EXPECT_EQ(window->words->free.load(), size_.budget_nano - nano);
    EXPECT_EQ(ledger_->counters().hold_dropped.load(), 0U);
  }

  /// Calls under way on a deployment as its limits count them.
  limit::Meter& places_of(const std::string& deployment) {
    return *gateway.meters->find({limit::Kind::Deployment, deployment}, limit::Unit::Calls, 0);
  }

  std::shared_ptr<config::Settings> settings;
  Gateway gateway;
  Records records;

 private:
  static std::string random_name() {
    std::uint64_t word = 0;
    base::fill_random(&word, sizeof word);
    return std::to_string(word);
  }
  Task<void> make_key() {
    account::KeyRow row;
    row.hash = base::sha256_hex(kKey);
    row.key_name = "sk-...6789";
    row.max_budget = Money::from_nano(size_.budget_nano);
    EXPECT_TRUE(co_await keys_->create(row));
  }
  Task<void> read_account_id(std::int64_t& id) {
    id = (co_await keys_->find(base::sha256_hex(kKey))).value()->account_id;
  }
  static Task<void> run(const std::function<Task<void>()>& make, std::promise<void>& done) {
    co_await make();
    done.set_value();
  }

  Size size_;
  std::filesystem::path directory_;
  std::unique_ptr<db::Database> database_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<net::IoThreads> threads_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<account::KeyStore> keys_;
};

}  // namespace turnpike::pipeline
