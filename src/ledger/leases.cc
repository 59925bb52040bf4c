#include "ledger/leases.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread_name.h"
#include "db/write_off.h"
#include "lease/lease_rows.h"
#include "ledger/ledger.h"

namespace turnpike::ledger {
namespace {

constexpr std::size_t kConnections = 2;  // The second serves while the first waits for an answer that does not come.
constexpr std::chrono::milliseconds kStatementTimeout{2000};
// Between two looks for money that is stuck: a quarter of `dead_after`, within these.
constexpr std::chrono::milliseconds kTendMin{1000}, kTendMax{30'000};
constexpr std::int64_t kLetGoUs = 5 * lease::kSecondUs;

/// "c ACCOUNT WINDOW NUMBER", "r ACCOUNT WINDOW" or "v ACCOUNT WINDOW".
std::optional<lease::LeaseNotice> read_notice(std::string_view text) {
  const std::vector<std::string_view> words = base::split(text, ' ');
  if (words.size() < 3 || words[0].size() != 1) return std::nullopt;
  lease::LeaseNotice notice;
  switch (words[0][0]) {
    case 'c':
      notice.kind = lease::LeaseNotice::Kind::Recalled;
      break;
    case 'r':
      notice.kind = lease::LeaseNotice::Kind::Returned;
      break;
    case 'v':
      notice.kind = lease::LeaseNotice::Kind::Changed;
      break;
    default:
      return std::nullopt;
  }
  const auto read = [&](std::size_t at, std::int64_t& number) {
    if (at >= words.size()) return false;
    const char* const end = words[at].data() + words[at].size();
    return std::from_chars(words[at].data(), end, number).ptr == end;
  };
  const bool whole = read(1, notice.key.account_id) && read(2, notice.key.window_id) &&
                     (notice.kind != lease::LeaseNotice::Kind::Recalled || read(3, notice.recall_no));
  return whole ? std::optional(notice) : std::nullopt;
}

LeaseWait::Outcome outcome_of(lease::LeaseOutcome::Kind kind) {
  switch (kind) {
    case lease::LeaseOutcome::Kind::Taken:
      return LeaseWait::Outcome::Taken;
    case lease::LeaseOutcome::Kind::Refused:
      return LeaseWait::Outcome::Refused;
    case lease::LeaseOutcome::Kind::Unavailable:
      break;
  }
  return LeaseWait::Outcome::Unavailable;
}

}  // namespace

Leases::Leases(db::Database& database, Options options, LedgerCounters& counters, LedgerClock& clock)
    : database_(database),
      own_(database.beside(kConnections, kStatementTimeout)),
      options_(std::move(options)),
      tend_every_(std::clamp(options_.dead_after / 4, kTendMin, kTendMax)),
      counters_(counters),
      clock_(clock),
      keeper_(options_.terms, options_.epoch) {
  listening_ = database_.listen(std::string(db::kMoneyChannel), [this](std::string_view text) { hear(text); });
  tend_at_ = base::monotonic_now() + tend_every_;
  for (std::size_t i = 0; i < kConnections; ++i) {
    senders_.emplace_back([this] {
      base::name_this_thread("lease sender");
      send();
    });
  }
  thread_ = std::thread([this] {
    base::name_this_thread("leases");
    keep();
  });
}

Leases::~Leases() {
  stop();
}

void Leases::stop() {
  if (!thread_.joinable()) return;
  listening_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  told_.notify_all();
  to_send_.notify_all();
  thread_.join();
  for (std::thread& sender : senders_) sender.join();
  for (const auto& [ticket, wait] : waiting_) {
    wait->outcome = LeaseWait::Outcome::Unavailable;
    wait->done.complete();
  }
  waiting_.clear();
}

void Leases::start(std::int64_t replica_no) {
  replica_no_.store(replica_no);
  tell([](std::int64_t) {});
}

void Leases::tell(News news) {
  {
    const std::lock_guard lock(mutex_);
    news_.push_back(std::move(news));
  }
  told_.notify_one();
}

void Leases::open(const lease::LeaseAccount& account, std::shared_ptr<lease::AccountWords> words) {
  tell([this, account, words = std::move(words)](std::int64_t now_us) { keeper_.open(account, now_us, words); });
}

void Leases::let_go(lease::LeaseKey key) {
  tell([this, key](std::int64_t now_us) { ended_.emplace_back(key, now_us + kLetGoUs); });
}

void Leases::touched(lease::LeaseKey key) {
  tell([this, key](std::int64_t now_us) { keeper_.touched(key, now_us); });
}

void Leases::look(lease::LeaseKey key) {
  tell([this, key](std::int64_t now_us) { keeper_.look(key, now_us); });
}

void Leases::run_at(std::int64_t ledger_us, std::function<void()> act) {
  tell([this, ledger_us, act = std::move(act)](std::int64_t) { due_.emplace(ledger_us, act); });
}

void Leases::hear(std::string_view text) {
  if (const std::optional<lease::LeaseNotice> notice = read_notice(text))
    tell([this, notice = *notice](std::int64_t now_us) { keeper_.noticed(notice, now_us); });
}

LeaseWaitRef Leases::wait(std::vector<lease::LeaseClaim> claims, bool may_cross,
                          std::optional<std::chrono::milliseconds> patience, base::Executor* executor) {
  auto wait = std::make_shared<LeaseWait>(executor);
  wait->ticket = tickets_.fetch_add(1, std::memory_order_relaxed) + 1;
  lease::WaitingCall call;
  call.ticket = wait->ticket;
  call.claims = std::move(claims);
  call.may_cross = may_cross;
  if (patience) call.wait_us = std::chrono::microseconds(*patience).count();
  tell([this, wait, call = std::move(call)](std::int64_t now_us) {
    waiting_.emplace(wait->ticket, wait);
    keeper_.wait(call, now_us);
  });
  return wait;
}

void Leases::leave(std::uint64_t ticket) {
  tell([this, ticket](std::int64_t) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return;  // It has its outcome.
    keeper_.leave(ticket);
    found->second->done.complete();
    waiting_.erase(found);
  });
}

bool Leases::give_back(std::chrono::milliseconds patience) {
  tell([this](std::int64_t now_us) {
    giving_back_ = true;
    keeper_.retire_all(now_us);
    say_given_back();
  });
  std::unique_lock lock(mutex_);
  return given_back_.wait_for(lock, patience, [this] { return is_given_back_; });
}

void Leases::keep() {
  for (;;) {
    std::vector<News> news;
    {
      std::unique_lock lock(mutex_);
      const std::int64_t wake_at_us = this->wake_at_us();
      const auto is_told = [this] { return stopping_ || !news_.empty(); };
      if (wake_at_us == INT64_MAX) {
        told_.wait(lock, is_told);
      } else {
        told_.wait_until(lock, base::Monotonic(std::chrono::microseconds(wake_at_us)), is_told);
      }
      if (stopping_) return;
      news.swap(news_);
    }
    const std::int64_t now_us = steady_now_us();
    for (const News& one : news) one(now_us);
    retire_ended(now_us);
    run_due();
    keeper_.hear_notices(listening_ != nullptr && listening_->hears());
    while (const std::optional<lease::LeaseOperation> operation = keeper_.next(now_us)) {
      const std::lock_guard lock(mutex_);
      outbox_.push_back(*operation);
      to_send_.notify_one();
    }
    end_waits();
    publish(now_us);
  }
}

std::int64_t Leases::wake_at_us() const {
  const std::int64_t now_us = steady_now_us();
  std::int64_t at_us = keeper_.wake_at_us();
  if (!ended_.empty()) at_us = std::min(at_us, ended_.front().second);
  if (!due_.empty()) at_us = std::min(at_us, now_us + due_.begin()->first - clock_.now_us());
  return std::max(at_us, now_us);
}

void Leases::run_due() {
  const std::int64_t ledger_us = clock_.now_us();
  while (!due_.empty() && due_.begin()->first <= ledger_us) {
    const std::function<void()> act = std::move(due_.extract(due_.begin()).mapped());
    act();
  }
}

void Leases::retire_ended(std::int64_t now_us) {
  const auto is_due = [now_us](const auto& one) { return one.second <= now_us; };
  for (const auto& [key, at_us] : ended_) {
    if (at_us <= now_us) keeper_.retire(key, now_us);
  }
  std::erase_if(ended_, is_due);
}

void Leases::end_waits() {
  for (const lease::LeaseOutcome& outcome : keeper_.take_outcomes()) {
    const auto found = waiting_.find(outcome.ticket);
    if (found == waiting_.end()) continue;
    const LeaseWaitRef wait = std::move(found->second);
    waiting_.erase(found);
    wait->outcome = outcome_of(outcome.kind);
    wait->key = outcome.key;
    wait->crossed = outcome.crossed;
    wait->done.complete();
  }
}

void Leases::publish(std::int64_t now_us) {
  if (keeper_.superseded() && !superseded_.exchange(true))
    base::log(base::LogLevel::Error, "leases: another gateway has taken this journal over");
  if (const bool away = keeper_.away(); away_.exchange(away) != away)
    base::log(base::LogLevel::Warning, "leases: the database {}", away ? "does not answer" : "answers again");
  live_replicas_.store(keeper_.live_replicas(), std::memory_order_relaxed);
  rank_.store(keeper_.rank(), std::memory_order_relaxed);
  if (now_us - summed_at_us_ < lease::kSecondUs) return;
  summed_at_us_ = now_us;
  counters_.lease_free_nano.store(keeper_.free_nano(), std::memory_order_relaxed);
}

void Leases::read_answer(Heard heard, std::int64_t now_us) {
  lease::LeaseAnswer& answer = heard.answer;
  clock_.heard(answer.database_us, heard.sent_us, heard.answered_us);
  std::atomic<std::uint64_t>& count =
      answer.result == lease::LeaseResult::Applied ? counters_.lease_applied : counters_.lease_stale;
  count.fetch_add(1, std::memory_order_relaxed);
  counters_.lease_recalls.fetch_add(answer.recalls.size(), std::memory_order_relaxed);
  if (!keeper_.started() && options_.unshipped && answer.result == lease::LeaseResult::Applied) {
    std::map<lease::LeaseKey, std::int64_t> more =
        options_.unshipped(static_cast<std::uint64_t>(std::max<std::int64_t>(answer.shipped_no, 0)));
    for (lease::OwnLease& own : answer.own) {
      if (auto found = more.extract(own.key)) own.used_nano += found.mapped();
    }
    // A window that was opened without the database has no lease there.
    for (const auto& [key, cost_nano] : more) answer.own.push_back({key, 0, cost_nano});
  }
  if (options_.stored && answer.result != lease::LeaseResult::Superseded)
    options_.stored(static_cast<std::uint64_t>(answer.shipped_no));
  keeper_.answered(answer, now_us);
  if (!giving_back_) return;
  keeper_.retire_all(now_us);  // What has been found since then too.
  say_given_back();
}

void Leases::say_given_back() {
  if (!keeper_.gave_all_back()) return;
  const std::lock_guard lock(mutex_);
  is_given_back_ = true;
  given_back_.notify_all();
}

void Leases::send() {
  db::Database& database = own_ ? *own_ : database_;
  for (;;) {
    std::unique_lock lock(mutex_);
    to_send_.wait_until(lock, tend_at_, [this] { return stopping_ || !outbox_.empty(); });
    if (stopping_) return;
    if (outbox_.empty()) {
      if (base::monotonic_now() < tend_at_) continue;
      tend_at_ = base::monotonic_now() + tend_every_;
      lock.unlock();
      tend(database);
      continue;
    }
    lease::LeaseOperation operation = std::move(outbox_.front());
    outbox_.erase(outbox_.begin());
    lock.unlock();
    operation.journal_id = options_.journal_id;
    Heard heard;
    heard.sent_us = clock_.wall_us();
    const std::int64_t replica_no = replica_no_.load();
    const auto apply = [&](db::Transaction& transaction) -> Status {
      Result<lease::LeaseAnswer> applied = lease::apply_operation(transaction, replica_no, operation);
      if (!applied) return base::fail(std::move(applied.error()));
      heard.answer = std::move(*applied);
      return {};
    };
    const Status done = replica_no == 0 ? base::fail(ErrorKind::Unavailable, "") : database.append_now(apply);
    if (operation.verb != lease::LeaseVerb::Ask) counters_.lease_resyncs.fetch_add(1, std::memory_order_relaxed);
    heard.answered_us = clock_.wall_us();
    if (done) {
      if (heard.answer.given_up) come_back(database, replica_no);
      tell([this, heard](std::int64_t now_us) { read_answer(heard, now_us); });
      continue;
    }
    counters_.lease_unknown.fetch_add(1, std::memory_order_relaxed);
    if (done.error().kind != ErrorKind::Unavailable)
      base::log(base::LogLevel::Error, "leases: {} {}", done.error().message, done.error().detail);
    if (options_.stored && done.error().code == lease::kForgottenReplica) options_.stored(std::nullopt);
    tell([this, op_no = operation.op_no](std::int64_t now_us) { keeper_.lost(op_no, now_us); });
  }
}

/// The others have given this replica up, and it is alive. Where it fails, the next answer says so again.
void Leases::come_back(db::Database& database, std::int64_t replica_no) {
  const Status done = database.append_now([&](db::Transaction& transaction) {
    return db::take_replica_back(transaction, replica_no, base::unix_now_us());
  });
  if (done) base::log(base::LogLevel::Warning, "leases: replica {} was given up by the others and is back", replica_no);
}

void Leases::tend(db::Database& database) {
  const std::int64_t replica_no = replica_no_.load();
  if (replica_no == 0) return;
  const std::int64_t dead_after_us = std::chrono::microseconds(options_.dead_after).count();
  const Status done = database.append_now([&](db::Transaction& transaction) -> Status {
    const Result<std::int64_t> stuck = lease::stuck_nano(transaction, dead_after_us);
    if (!stuck) return base::fail(stuck.error());
    if (*stuck > 0 && counters_.lease_stuck_nano.load() == 0)
      base::log(base::LogLevel::Warning, "lease_stuck: {} of budgets are leased to replicas that are silent",
                Money::from_nano(*stuck).to_string());
    counters_.lease_stuck_nano.store(*stuck);
    if (options_.reclaims) {
      if (Status reclaimed = lease::reclaim_leases(transaction, replica_no, dead_after_us); !reclaimed)
        return reclaimed;
    }
    return lease::delete_old_leases(transaction);
  });
  if (!done && done.error().kind != ErrorKind::Unavailable)
    base::log(base::LogLevel::Error, "leases: {} {}", done.error().message, done.error().detail);
}

}  // namespace turnpike::ledger
