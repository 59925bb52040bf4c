#include "drill/play.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "drill/silent_port.h"
#include "fake_provider/answer.h"
#include "fake_provider/provider.h"
#include "http/server.h"
#include "price/bill.h"

namespace turnpike::drill {
namespace {

using std::chrono::milliseconds;

/// What the drill's prompt comes to, about as tokenizers count it: an estimate can be compared with it.
constexpr std::int64_t kPromptTokens = 20;
constexpr milliseconds kRowPatience{5'000};
constexpr milliseconds kRowStep{15};
/// How often a fault on one of several deployments is tried until it meets the call.
constexpr std::size_t kTriesPerDeployment = 4;
constexpr std::size_t kTriesMax = 40;

class TemporaryDirectory {
 public:
  static Result<std::unique_ptr<TemporaryDirectory>> make() {
    std::error_code failure;
    std::string path = (std::filesystem::temp_directory_path(failure) / "turnpike-drill-XXXXXX").string();
    if (failure || ::mkdtemp(path.data()) == nullptr) {
      return base::fail(ErrorKind::Unavailable, "no temporary directory can be made at " + path + "; set TMPDIR");
    }
    return std::make_unique<TemporaryDirectory>(std::move(path));
  }
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code failure;
    std::filesystem::remove_all(path_, failure);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

domain::Usage usage_of(const fake_provider::TokenSums& tokens) {
  domain::Usage usage;
  const auto set = [&usage](domain::Unit unit, std::uint64_t count) {
    if (count > 0) usage.set(unit, count);
  };
  set(domain::Unit::InputTokens, tokens.prompt - tokens.cached);
  set(domain::Unit::CachedInputTokens, tokens.cached);
  set(domain::Unit::OutputTokens, tokens.completion - tokens.reasoning);
  set(domain::Unit::ReasoningTokens, tokens.reasoning);
  return usage;
}

/// What the scripted provider does under this fault. `asks_usage`: whether its streams tell their usage to those who
/// ask; where nobody may ask they always do.
fake_provider::Script script_of(const Fault& fault, bool asks_usage) {
  fake_provider::Script script;
  script.prompt_tokens = kPromptTokens;
  if (!asks_usage) script.odd.emplace_back("usage_always");
  static_cast<void>(fake_provider::apply_list(script, fault.script));  // It knows them all: fault_test.cc.
  return script;
}

std::string label_of(std::size_t run, std::size_t place) {
  return "r" + std::to_string(run) + ".d" + std::to_string(place);
}

}  // namespace

/// What all runs share.
struct Player::Ground {
  const Groups& groups;
  config::SettingsRef settings;
  Clock clock;
  StartGateway start;
  SilentPort silent;
  std::map<std::string, std::size_t> places;  // Of deployments, by id.
  std::unique_ptr<TemporaryDirectory> directory = {};
  fake_provider::Provider provider{1, 0};
  std::unique_ptr<net::IoThreads> provider_threads = net::IoThreads::start(1);
  std::unique_ptr<http::Server> server = {};
  std::unique_ptr<net::IoThreads> caller_threads = net::IoThreads::start(1);
  std::atomic<std::size_t> runs{0};
};

/// One gateway and one call.
struct Player::Run {
  std::size_t number = 0;
  std::vector<std::size_t> struck;              // Places of the deployments that have the fault.
  std::map<std::size_t, price::Prices> prices;  // By place; of deployments that could be asked.
  Outcome outcome;
};

Player::Player() = default;
Player::~Player() {
  if (ground_ && ground_->server) ground_->server->abort_all();
}

Result<std::unique_ptr<Player>> Player::open(const Groups& groups, config::SettingsRef staged, const Clock& clock,
                                             StartGateway start) {
  Result<SilentPort> silent = SilentPort::open();
  if (!silent) return base::fail(std::move(silent.error()));
  std::unique_ptr<Player> player(new Player());
  player->ground_.reset(new Ground{groups, std::move(staged), clock, std::move(start), std::move(*silent), {}});
  Ground& ground = *player->ground_;
  for (std::size_t i = 0; i < ground.settings->models.size(); ++i) ground.places[ground.settings->models[i].id] = i;
  Result<std::unique_ptr<TemporaryDirectory>> directory = TemporaryDirectory::make();
  if (!directory) return base::fail(std::move(directory.error()));
  ground.directory = std::move(*directory);
  http::Server::Options options;
  options.port = 0;
  Result<std::unique_ptr<http::Server>> server = http::Server::listen(
      *ground.provider_threads, options,
      [&provider = ground.provider](http::Exchange& exchange) { return provider.handle(exchange); },
      [](int status, std::string_view message) { return fake_provider::error_body(status, "", message); });
  if (!server) return base::fail(std::move(server.error()));
  ground.server = std::move(*server);
  return player;
}

std::vector<Outcome> Player::play(const std::vector<Scenario>& scenarios, std::size_t at_a_time) {
  std::vector<Run> runs(scenarios.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < scenarios.size(); i = next++) runs[i] = play_one(scenarios[i]);
  };
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < std::min(at_a_time, scenarios.size()); ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  std::vector<Outcome> outcomes;
  outcomes.reserve(runs.size());
  for (Run& run : runs) outcomes.push_back(std::move(run.outcome));
  return outcomes;
}

Player::Run Player::play_one(const Scenario& scenario) {
  if (!scenario.only) return play_once(scenario, std::nullopt);
  // Whom the strategy picks is its business: the fault waits on one deployment after the other.
  const std::vector<std::size_t>& deployments = ground_->groups.drilled[scenario.group].deployments;
  const std::size_t tries = std::min(deployments.size() * kTriesPerDeployment, kTriesMax);
  Run run;
  for (std::size_t i = 0; i < tries; ++i) {
    run = play_once(scenario, deployments[i % deployments.size()]);
    if (run.outcome.struck || !run.outcome.trouble.empty()) break;
  }
  return run;
}

Player::Run Player::play_once(const Scenario& scenario, std::optional<std::size_t> only) {
  Ground& ground = *ground_;
  const Fault& fault = *scenario.fault;
  Run run;
  run.number = ground.runs++;
  run.outcome.scenario = &scenario;
  run.struck = only ? std::vector<std::size_t>{*only} : ground.groups.drilled[scenario.group].deployments;
  std::mutex mutex;
  Staged staged;
  staged.settings = ground.settings;
  staged.data_dir = ground.directory->path() + "/" + std::to_string(run.number);
  staged.redirect = [&](router::Deployment& deployment, const price::Prices& prices) {
    const auto place = ground.places.find(deployment.id);
    const std::size_t known = place == ground.places.end() ? ground.places.size() : place->second;
    const bool struck = std::ranges::find(run.struck, known) != run.struck.end();
    ground.provider.set_script(label_of(run.number, known),
                               script_of(struck ? fault : no_fault(), deployment.target.provider->stream_usage));
    redirect(deployment.target, {ground.server->port(), ground.silent.port()}, label_of(run.number, known),
             struck ? &fault : nullptr);
    const std::lock_guard lock(mutex);
    run.prices.insert_or_assign(known, prices);
  };
  {
    Result<std::unique_ptr<Gateway>> gateway = ground.start(staged);
    if (gateway) {
      call(run, (*gateway)->port());
    } else {
      run.outcome.trouble = "no gateway: " + gateway.error().message;
    }
  }
  close_account(run);
  std::error_code failure;
  std::filesystem::remove_all(staged.data_dir, failure);
  return run;
}

/// Asks the gateway as an application would, and waits for the ledger's row.
void Player::call(Run& run, std::uint16_t port) {
  Ground& ground = *ground_;
  const Scenario& scenario = *run.outcome.scenario;
  const Group& group = ground.groups.drilled[scenario.group];
  constexpr milliseconds kPatience{3'000};
  Order order;
  order.gateway.host = "127.0.0.1";
  order.gateway.port = port;
  order.key = ground.settings->general.master_key.reveal();
  order.path = path_of(group.operation);
  order.body = body_of(group, scenario.stream);
  order.stream = scenario.stream;
  order.operation = group.operation;
  order.patience = ground.clock.deadline + kPatience;
  net::IoThread& thread = *ground.caller_threads->all().front();
  Outcome& outcome = run.outcome;
  outcome.seen = send_order(thread, order);
  if (outcome.seen.call_id.empty()) {
    outcome.trouble =
        "the gateway refused the call: " + std::to_string(outcome.seen.status) + " " + outcome.seen.error_message;
    return;
  }
  const std::string path = "/spend/logs?request_id=" + base::percent_encode(outcome.seen.call_id);
  const auto end = std::chrono::steady_clock::now() + kRowPatience;
  while (!outcome.entry && std::chrono::steady_clock::now() < end) {
    if (const Result<std::string> rows = fetch(thread, order.gateway, order.key, path)) {
      if (Result<Entry> entry = read_entry(*rows)) outcome.entry = std::move(*entry);
    }
    if (!outcome.entry) std::this_thread::sleep_for(kRowStep);
  }
  if (!outcome.entry) return;
  const auto is_struck = [&](const BookedAttempt& attempt) {
    return std::ranges::any_of(
        run.struck, [&](std::size_t place) { return ground.settings->models[place].id == attempt.deployment_id; });
  };
  outcome.struck = std::ranges::any_of(outcome.entry->attempts, is_struck);
  outcome.by_struck = outcome.struck && is_struck(outcome.entry->attempts.back());
}

/// What the providers of this run have served, when its gateway has ended.
void Player::close_account(Run& run) const {
  const fake_provider::FullStatement statement = ground_->provider.account();
  for (const auto& [place, prices] : run.prices) {
    const auto found = statement.by_label.find(label_of(run.number, place));
    if (found == statement.by_label.end() || found->second.calls == 0) continue;
    if (prices.by_second()) continue;  // How long the gateway has measured is not known here.
    const fake_provider::Statement& said = found->second;
    const Fault& fault = *run.outcome.scenario->fault;
    const bool struck = std::ranges::find(run.struck, place) != run.struck.end();
    Account account;
    account.deployment_id = ground_->settings->models[place].id;
    account.calls = said.calls;
    fake_provider::TokenSums prompts = said.unfinished;
    prompts.completion = prompts.reasoning = 0;
    const Money served = price::bill(prices, usage_of(said.served)).cost;
    account.due = served + price::bill(prices, usage_of(said.unfinished)).cost;
    account.least = served + price::bill(prices, usage_of(prompts)).cost;
    account.unsaid = said.unfinished.calls > 0 || (struck && fault.no_usage && said.whole > 0);
    run.outcome.accounts.push_back(std::move(account));
  }
}

}  // namespace turnpike::drill
