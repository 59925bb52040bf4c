#include "storm.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/clock.h"
#include "net/event_loop.h"

namespace turnpike::storm {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kSecondUs = 1'000'000;

pipeline::TestPipeline::Size size_of_pipeline() {
  return {.budget_nano = 1'000'000'000'000'000, .segment_bytes = 64 << 20};
}

Task<void> serve_nobody(http::Exchange& exchange) {
  http::ReplyHead head;
  head.status = 404;
  (void)co_await exchange.reply(head, {});
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 100.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Storm::Storm(std::uint64_t seed, const Strength& strength, const Terms& terms)
    : seed_(seed),
      strength_(strength),
      begun_us_(base::unix_now_us()),
      random_(seed),
      pipeline_(1, &serve_nobody, size_of_pipeline()),
      judge_(terms, cases_, providers_, strength.calls_per_second * static_cast<std::size_t>(strength.length.count())) {
  pipeline_.gateway.metrics = &judge_;
  pipeline_.gateway.access_log = &judge_;
  configure(terms);
}

void Storm::configure(const Terms& terms) {
  const std::int64_t length_us = strength_.length.count() * kSecondUs;
  net::IoThread& thread = *pipeline_.io_threads().front();
  for (std::size_t i = 0; i < kDeployments; ++i) {
    const Shape shape = i == 0 || i == 3 ? Shape::OpenAi : Shape::Anthropic;
    providers_[i] = std::make_unique<Provider>(i, shape, Weather(random_.next(), begun_us_, length_us),
                                               *pipeline_.gateway.threads, cases_);
    config::ModelEntry& entry = pipeline_.add(kGroups[group_of(i)], kIds[i]);
    entry.model = shape == Shape::OpenAi ? "openai/gpt-4o" : "anthropic/claude-sonnet-4-5";
    entry.api_base = "http://127.0.0.1:" + std::to_string(providers_[i]->port());
    if (i != 2) entry.timeout = terms.deployment_timeout;
  }
  config::RouterSettings& router = pipeline_.settings->router;
  router.timeout = terms.timeout;
  router.stream_timeout = terms.stream_timeout;
  router.cooldown_time = terms.cooldown_time;
  router.num_retries = terms.retries;
  router.fallbacks = {{kGroups[0], {{kGroups[1]}}}, {kGroups[1], {{kGroups[0]}}}};
  pipeline_.settings->turnpike.stream_idle_timeout = terms.stream_idle_timeout;
  pipeline_.use_settings();
  pipeline::TestPipeline::at_once(thread, [&] {
    thread.random() = base::Random(seed_);
    Canary::stay_here();
    net::loop_of(thread).before_leap([this] { canary_.fly(); });
  });
}

router::Health& Storm::health(std::size_t deployment) {
  for (const router::ModelGroupRef& group : pipeline_.gateway.workers[0]->snapshot->routing->groups()) {
    for (const router::DeploymentRef& member : group->deployments) {
      if (member->id == kIds[deployment]) return *member->health;
    }
  }
  throw std::logic_error("no such deployment");
}

void Storm::look_around() {
  const std::int64_t now_us = base::unix_now_us();
  for (std::size_t i = 0; i < kDeployments; ++i) {
    providers_[i]->follow_weather(now_us);
    // Judged at the next look: what a provider notices of a failure it notices a moment later.
    if (std::exchange(rest_noticed_[i], false)) judge_.rest_began(i, health(i).cooling_kind.load(), now_us);
    const std::uint64_t rests = health(i).cooldowns.load();
    const std::uint64_t more = rests - std::exchange(rests_seen_[i], rests);
    judge_.count_rests(more);
    rest_noticed_[i] = more > 0;
  }
}

Task<void> Storm::make_call(Ask ask) {
  const std::uint32_t number = ask.number;
  Case& opened = cases_.open(std::move(ask));
  net::IoThread& thread = *pipeline_.io_threads().front();
  opened.exchange = std::make_unique<pipeline::FakeExchange>(
      thread, body_of(opened.ask),
      std::vector<std::pair<std::string, std::string>>{
          {"Authorization", std::string("Bearer ") + pipeline::TestPipeline::kKey},
          {"x-litellm-call-id", call_id_of(number)}});
  std::unique_ptr<net::IoThread::Timer> leaving;
  if (opened.ask.hangs_up_after_us) {
    leaving = thread.after(milliseconds(*opened.ask.hangs_up_after_us / 1000),
                           [&opened] { opened.leave(base::unix_now_us()); });
  }
  co_await pipeline_.serve(*opened.exchange);
  leaving.reset();
  judge_.close(opened);
  cases_.close(number);
}

/// From then on the key is known: reading the database takes real time, in which simulated time would run away.
Task<void> Storm::learn_key() {
  const auto exchange = pipeline_.make_exchange("{}");
  const auto known =
      co_await pipeline_.gateway.workers.front()->authenticator->authenticate(exchange->request(), base::unix_now_us());
  if (!known) judge_.object("the key is known", known.error().message);
}

Task<void> Storm::arrive() {
  net::IoThread& thread = *pipeline_.io_threads().front();
  const std::int64_t begun_us = base::unix_now_us();
  const std::int64_t apart_us = kSecondUs / strength_.calls_per_second;
  const auto calls = static_cast<std::uint32_t>(strength_.calls_per_second * strength_.length.count());
  for (std::uint32_t number = 0; number < calls; ++number) {
    const std::int64_t due_us =
        begun_us + number * apart_us + static_cast<std::int64_t>(random_.next() % static_cast<std::uint64_t>(apart_us));
    while (base::unix_now_us() < due_us) {
      co_await thread.sleep(milliseconds((due_us - base::unix_now_us()) / 1000));
      look_around();
    }
    base::spawn(make_call(draw_ask(number, random_)));
  }
  const std::int64_t give_up_us = base::unix_now_us() + 120 * kSecondUs;
  while (cases_.size() > 0 && base::unix_now_us() < give_up_us) {
    co_await thread.sleep(milliseconds(10));
    look_around();
  }
  // What callers left behind is noticed by the providers a moment later.
  co_await thread.sleep(milliseconds(1'000));
  look_at_rest();
}

void Storm::look_at_rest() {
  if (cases_.size() > 0) judge_.object("every call ends", std::to_string(cases_.size()) + " have not");
  if (pipeline_.gateway.calls_open.load() != 0) judge_.object("no call is counted as open", "");
  for (std::size_t i = 0; i < kDeployments; ++i) {
    if (health(i).load.in_flight.load() != 0) judge_.object("no place is taken", kIds[i]);
    if (health(i).probing.load()) judge_.object("no probe is out", kIds[i]);
    if (providers_[i]->requests_open() != 0) judge_.object("every provider is let go", kIds[i]);
  }
  judge_.finish();
}

void Storm::read_ledger() {
  const ledger::AccountRef account = pipeline_.account();
  const std::int64_t cost_nano = judge_.tally().cost_nano;
  const std::int64_t held_nano = account->running()->words->held.load();
  if (held_nano != 0) judge_.object("no hold is left", std::to_string(held_nano));
  if (account->spent().nano() != cost_nano)
    judge_.object("the account has spent what its calls cost",
                  fmt::format("{} instead of {}", account->spent().nano(), cost_nano));
  if (pipeline_.gateway.ledger->counters().hold_dropped.load() != 0) judge_.object("no hold is dropped", "");
  std::vector<Booked> missing = judge_.booked();
  std::int64_t sum_nano = 0;
  const auto compare = [&](db::Transaction& transaction) -> Status {
    Result<db::Rows> rows = transaction.run("SELECT call_id, cost_nano, marks, status FROM entry", {});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      const std::uint32_t number = number_of(db::as_text(row[0]));
      Booked& booked = missing.at(number);
      const bool same = booked.cost_nano == db::as_int(row[1]) &&
                        booked.marks == static_cast<std::uint64_t>(db::as_int(row[2])) &&
                        static_cast<std::int64_t>(booked.status) == db::as_int(row[3]);
      if (!same) judge_.object("the ledger has one row of each call, as it ended", db::as_text(row[0]));
      sum_nano += db::as_int(row[1]);
      booked.cost_nano = -1;
    }
    return {};
  };
  if (const Status read = pipeline_.gateway.database->transact_now(compare); !read)
    judge_.object("the ledger can be read", read.error().message);
  const auto left = std::count_if(missing.begin(), missing.end(), [](const Booked& row) { return row.cost_nano >= 0; });
  if (left > 0) judge_.object("no row is missing from the ledger", std::to_string(left));
  if (sum_nano != cost_nano) judge_.object("the rows sum up to what was spent", std::to_string(sum_nano));
}

void Storm::play() {
  const auto begun = std::chrono::steady_clock::now();
  net::IoThread& thread = *pipeline_.io_threads().front();
  pipeline_.on(thread, [this] { return learn_key(); });
  pipeline_.on(thread, [this] { return arrive(); });
  pipeline_.on(thread, [this] { return pipeline_.gateway.ledger->shipped(); });
  read_ledger();
  pipeline::TestPipeline::at_once(thread, [this] {
    for (const auto& provider : providers_) provider->close();
  });
  broken_ = testing::UnitTest::GetInstance()->Failed();
  real_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

std::string Storm::report() const {
  const Tally& tally = judge_.tally();
  std::string text = fmt::format(
      "seed {:>3}  {}  {} calls in {:.0f} s ({} answered, {} refused, {} left, {} mistaken); while a deployment is "
      "healthy "
      "{:.3f} % of {} answered ({:.2f} % from its first moment on; {} barred by a rule); {} broken streams, {} told; "
      "{} "
      "attempts, {} calls tried again, {} fell back; {} rests; {:.2f} $, {} bills as said, {} counted\n",
      seed_, satisfied() ? "ok    " : "FAILED", tally.calls, real_seconds_, tally.answered, tally.refused, tally.left,
      tally.mistaken, share(tally.due_answered, tally.due), tally.due, share(tally.strict_answered, tally.strict),
      tally.by_rule, tally.broken_streams, tally.broken_told, tally.attempts, tally.retried, tally.fell_back,
      tally.rests, static_cast<double>(tally.cost_nano) / 1e9, tally.exact, tally.estimated);
  return text + judge_.objections();
}

}  // namespace turnpike::storm
