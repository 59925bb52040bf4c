#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/api.h"
#include "base/id.h"
#include "db/database.h"
#include "db/test_postgres.h"
#include "http/server.h"
#include "pipeline/gateway.h"
#include "router/stored_fallbacks.h"

/// A gateway for tests of routes: real I/O thread, SQLite in a directory of its own, key store and authenticator; a
/// ledger, metrics and exchange that only remember.
namespace turnpike::api {

class TestLedger : public ledger::Ledger {
 public:
  Result<ledger::Hold> admit(const ledger::Admission&) override {
    return base::fail(ErrorKind::Unavailable, "no calls in this test");
  }
  Task<Result<ledger::Hold>> admit_or_wait(ledger::Admission& admission, http::Cancel&) override {
    co_return admit(admission);
  }
  std::optional<Error> look(const ledger::Admission&) override { return std::nullopt; }
  ledger::AccountRef account(const ledger::AccountFacts&) override { return nullptr; }
  ledger::AccountRef find_account(std::int64_t id) const override {
    const auto found = accounts.find(id);
    return found == accounts.end() ? nullptr : found->second;
  }
  ledger::WindowRef window(const ledger::AccountFacts&, std::int64_t) override { return nullptr; }
  std::vector<ledger::AccountRef> budgeted_accounts(std::int16_t, std::size_t) const override { return {}; }
  void terms_changed(const ledger::AccountFacts& facts) override {
    limits[facts.account_id] = facts.limit ? std::optional(*facts.limit + facts.increase) : std::nullopt;
    versions.push_back(facts.version);
  }
  void account_read(const ledger::AccountFacts&) override {}
  void account_closed(std::int64_t id, std::int64_t version) override {
    closed.push_back(id);
    versions.push_back(version);
  }
  void spend_changed(std::int64_t id, Money spent, Money, std::int64_t version) override {
    spends[id] = spent;
    versions.push_back(version);
  }
  void close(std::chrono::milliseconds) override {}
  Task<void> shipped() override { co_return; }
  Task<void> durable() override { co_return; }
  std::int64_t clock_offset_us() const override { return 0; }
  std::int64_t live_replicas() const override { return 1; }
  std::int64_t replica_rank() const override { return 0; }
  const ledger::LedgerCounters& counters() const override { return counters_; }
  std::string readiness() const override { return refusal; }

  std::map<std::int64_t, ledger::AccountRef> accounts;
  std::map<std::int64_t, std::optional<Money>> limits;
  std::map<std::int64_t, Money> spends;
  std::vector<std::int64_t> closed;
  std::vector<std::int64_t> versions;  // Of the news above, in their order.
  std::string refusal;

 private:
  ledger::LedgerCounters counters_;
};

class TestMetrics : public telemetry::Metrics {
 public:
  void call_ended(std::size_t, const domain::CallRecord&) override {}
  void observe(std::string, std::string, Kind, std::function<double()>) override {}
  void observe_text(std::function<void(std::string&)>) override {}
  void know_models(const std::vector<std::string>&) override {}
  std::string render() override { return "test_metric 1\n"; }
  Money spend_total() override { return {}; }
};

struct Sent {
  int status = 0;
  std::string type, fields, body;
  bool holds(std::string_view text) const { return body.find(text) != std::string::npos; }
};

/// One request and what was answered.
class TestExchange : public http::Exchange {
 public:
  TestExchange(net::IoThread& thread, http::Method method, std::string method_text, std::string target,
               std::vector<std::pair<std::string, std::string>> fields, std::string body)
      : thread_(thread),
        texts_{std::move(method_text), std::move(target), std::move(body)},
        fields_(std::move(fields)) {
    request_.method = method;
    request_.method_text = texts_[0];
    request_.target = texts_[1];
    const std::size_t mark = texts_[1].find('?');
    request_.path = request_.target.substr(0, mark);
    if (mark != std::string::npos) request_.query = request_.target.substr(mark + 1);
    for (const auto& [name, value] : fields_) request_.fields.push_back({name, value});
    const std::size_t length = texts_[2].size();
    texts_[2].append(http::kBodyPadding, '\0');
    request_.body = std::string_view(texts_[2]).substr(0, length);
    request_.peer_ip = "127.0.0.1";
  }
  const http::Request& request() const override { return request_; }
  net::IoThread& thread() const override { return thread_; }
  Task<Status> reply(const http::ReplyHead& head, http::Pieces body) override {
    EXPECT_EQ(sent.status, 0) << "answered twice";
    sent.status = head.status;
    sent.type = head.content_type;
    sent.fields = head.fields;
    for (const std::string_view piece : body) sent.body += piece;
    co_return Status();
  }
  void begin_stream(const http::ReplyHead&) override { ADD_FAILURE() << "no route of these streams"; }
  Task<Status> write(http::Pieces) override { co_return Status(); }
  Task<Status> finish(http::Pieces) override { co_return Status(); }
  void cut() override {}
  bool head_sent() const override { return sent.status != 0; }
  bool caller_gone() const override { return false; }
  void on_gone(std::function<void()>) override {}

  Sent sent;

 private:
  net::IoThread& thread_;
  std::vector<std::string> texts_;
  std::vector<std::pair<std::string, std::string>> fields_;
  http::Request request_;
};

class TestGateway {
 public:
  static constexpr const char* kMaster = "sk-master-0123456789";

  explicit TestGateway(bool keyless = false, std::string root_path = {}) {
    directory_ = std::filesystem::temp_directory_path() / ("turnpike-api-" + random_name());
    std::filesystem::create_directories(directory_);
    Result<std::unique_ptr<db::Database>> opened = db::open_test_database((directory_ / "test.db").string());
    if (!opened) throw std::runtime_error(opened.error().message);
    database = std::move(*opened);
    threads_ = net::IoThreads::start(1);
    keys_ = std::make_unique<account::KeyStore>(*database, [this](const std::string& hash) {
      threads_->publish([this, hash](net::IoThread&) { gateway.workers[0]->authenticator->forget(hash); });
    });
    settings = std::make_shared<config::Settings>();
    if (!keyless) settings->general.master_key = base::Secret(kMaster);
    add_model("gpt-4o", "openai/gpt-4o");
    add_model("fast", "groq/llama-3.1-8b-instant");
    add_model("openai/*", "openai/*");
    gateway.threads = threads_.get();
    gateway.database = database.get();
    gateway.keys = keys_.get();
    gateway.changed = [this](const std::vector<account::Change>& changes) {
      threads_->publish([this, changes](net::IoThread&) { gateway.workers[0]->authenticator->forget(changes); });
    };
    gateway.ledger = &ledger;
    gateway.metrics = &metrics_;
    auto worker = std::make_unique<pipeline::Worker>();
    worker->thread = threads_->all().front();
    account::AuthSettings auth;
    auth.master_key = settings->general.master_key;
    worker->authenticator = std::make_unique<account::Authenticator>(*database, auth, account::Authenticator::Limits{});
    gateway.workers.push_back(std::move(worker));
    Hooks hooks;
    hooks.version = "9.9.9";
    hooks.root_path = std::move(root_path);
    hooks.reload = [this](net::IoThread&) { return answer(reload_result); };
    hooks.fallbacks_changed = [this](net::IoThread&) { return done(use_fallbacks()); };
    handler_ = make_handler(gateway, std::move(hooks));
    use_settings();
  }
  ~TestGateway() {
    threads_.reset();
    database.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void add_model(std::string name, std::string model) {
    config::ModelEntry entry;
    entry.id = "id-" + name;
    entry.identity = entry.id;
    entry.model_name = std::move(name);
    entry.model = std::move(model);
    entry.api_key = base::Secret("sk-provider-secret-value");
    entry.default_params_json = "{}";
    entry.model_info_json = R"({"id":")" + entry.id + R"("})";
    settings->models.push_back(std::move(entry));
  }
  /// Puts `settings` in force.
  void use_settings(protocol::Compat compat = protocol::Compat::Later) {
    auto snapshot = std::make_shared<pipeline::Snapshot>();
    snapshot->compat = compat;
    snapshot->settings = settings;
    snapshot->prices = price::Catalogue::built_in();
    snapshot->access_groups = account::access_groups_of(*settings);
    std::vector<router::Problem> problems;
    router::RoutingTable::Source source;
    source.deployments = router::deployments_of(*settings, problems);
    const router::Pricer pricer = [](const router::Deployment&) { return nullptr; };
    snapshot->routing = router::RoutingTable::build({std::move(source)}, *settings, nullptr, pricer);
    snapshot->problems = {"config.yaml:7: a problem"};
    on_thread([&] { gateway.workers[0]->snapshot = snapshot; });
  }
  /// The fallbacks of the database in force, as `app` does it.
  Status use_fallbacks() {
    const Result<std::vector<router::StoredFallbacks>> stored = router::read_stored_fallbacks(*database);
    if (!stored) return base::fail(stored.error());
    auto changed = std::make_shared<pipeline::Snapshot>(*gateway.workers[0]->snapshot);
    changed->routing = changed->routing->with_fallbacks(*settings, *stored);
    gateway.workers[0]->snapshot = changed;
    return {};
  }

  Sent call(std::string_view method, std::string target, std::string key = kMaster, std::string body = {},
            std::vector<std::pair<std::string, std::string>> fields = {}) {
    http::Method known = http::Method::Other;
    for (const http::Method one :
         {http::Method::Get, http::Method::Head, http::Method::Post, http::Method::Patch, http::Method::Delete}) {
      if (http::method_name(one) == method) known = one;
    }
    if (!key.empty()) fields.emplace_back("Authorization", "Bearer " + key);
    fields.emplace_back("Host", "test.local:4000");
    TestExchange exchange(*threads_->all().front(), known, std::string(method), std::move(target), std::move(fields),
                          std::move(body));
    std::promise<void> done;
    threads_->all().front()->post([&] { base::spawn(run(exchange, done)); });
    done.get_future().wait();
    return exchange.sent;
  }
  Sent get(std::string target, std::string key = kMaster) { return call("GET", std::move(target), std::move(key)); }
  Sent post(std::string target, std::string body, std::string key = kMaster) {
    return call("POST", std::move(target), std::move(key), std::move(body));
  }

  /// The text of a member of a reply, quotes of a string removed.
  static std::string field(const Sent& sent, std::string_view name) {
    const std::string mark = "\"" + std::string(name) + "\":";
    const std::size_t at = sent.body.find(mark);
    if (at == std::string::npos) return "(absent)";
    const std::size_t begin = at + mark.size();
    if (sent.body[begin] == '"') return sent.body.substr(begin + 1, sent.body.find('"', begin + 1) - begin - 1);
    return sent.body.substr(begin, sent.body.find_first_of(",}", begin) - begin);
  }

  std::unique_ptr<db::Database> database;
  std::shared_ptr<config::Settings> settings;
  TestLedger ledger;
  pipeline::Gateway gateway;
  Result<std::string> reload_result = std::string("router_settings.num_retries: 2 -> 5\n");

 private:
  static Task<Result<std::string>> answer(const Result<std::string>& result) { co_return result; }
  static Task<Status> done(Status status) { co_return status; }
  static std::string random_name() {
    std::uint64_t word = 0;
    base::fill_random(&word, sizeof word);
    return std::to_string(word);
  }
  Task<void> run(TestExchange& exchange, std::promise<void>& done) {
    co_await handler_(exchange);
    done.set_value();
  }
  void on_thread(const std::function<void()>& work) {
    std::promise<void> done;
    threads_->all().front()->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::filesystem::path directory_;
  std::unique_ptr<net::IoThreads> threads_;
  std::unique_ptr<account::KeyStore> keys_;
  TestMetrics metrics_;
  http::Handler handler_;
};

}  // namespace turnpike::api
