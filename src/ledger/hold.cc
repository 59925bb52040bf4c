#include <algorithm>
#include <span>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "ledger/ledger_impl.h"

namespace turnpike::ledger {
namespace {

/// One per thread: records are built here and leave with one `pwrite`.
journal::RecordBatch& scratch() {
  thread_local journal::RecordBatch records;
  records.clear();
  return records;
}

}  // namespace

Hold::Hold() = default;
Hold::Hold(std::unique_ptr<State> state) : state_(std::move(state)) {}
Hold::Hold(Hold&& other) noexcept = default;

Hold& Hold::operator=(Hold&& other) noexcept {
  if (this != &other) {
    if (state_) state_->ledger->settle_dropped(*state_);
    state_ = std::move(other.state_);
  }
  return *this;
}

Hold::~Hold() {
  if (state_) state_->ledger->settle_dropped(*state_);
}

const Amounts& Hold::amount() const {
  return state_->amount;
}

std::span<const WindowRef> Hold::windows() const {
  return {state_->windows.data(), state_->own_windows};
}

bool Hold::attempt(std::uint32_t number, std::string_view deployment_id, std::string_view price_version) {
  return state_->ledger->attempt(*state_, number, deployment_id, price_version);
}

void Hold::answer(std::uint32_t number, std::uint64_t prompt_tokens, Money cost) {
  journal::RecordBatch& records = scratch();
  records.begin(journal::RecordType::Answer);
  journal::put_answer(records.payload(), state_->id, number, prompt_tokens, cost);
  records.end();
  state_->ledger->write(*state_, records);
}

void Hold::progress(std::uint64_t prompt_tokens, std::uint64_t completion_tokens, Money cost_so_far) {
  journal::RecordBatch& records = scratch();
  records.begin(journal::RecordType::Progress);
  journal::put_progress(records.payload(), state_->id, prompt_tokens, completion_tokens, cost_so_far);
  records.end();
  state_->ledger->write(*state_, records);
}

bool Hold::extend(Amounts more) {
  return state_->ledger->extend(*state_, more);
}

Task<bool> Hold::extend_or_wait(Amounts more, http::Cancel& cancel) {
  return state_->ledger->extend_or_wait(*state_, more, cancel);
}

Task<Status> Hold::aim(std::vector<WindowRef> targets, http::Cancel& cancel) {
  const std::span<const WindowRef> known(state_->windows.begin() + static_cast<std::ptrdiff_t>(state_->own_windows),
                                         state_->windows.end());
  if (std::ranges::equal(known, targets)) co_return Status();
  Admission admission;
  admission.windows = std::move(targets);
  admission.amount = amount();
  admission.free_model = state_->free_model;
  admission.may_cross = state_->may_cross;
  Result<Hold> taken = co_await state_->ledger->admit_or_wait(admission, cancel);
  if (!taken) co_return base::fail(std::move(taken.error()));
  const std::unique_ptr<State> other = std::move(taken->state_);
  state_->ledger->take_over(*state_, *other);
  co_return Status();
}

void Hold::enlarge(Amounts more) {
  state_->ledger->take_anyway(*state_, more);
}

void Hold::settle(domain::CallRecord& record) && {
  const std::unique_ptr<State> state = std::move(state_);
  state->ledger->settle(*state, record);
}

void Hold::undo() && {
  const std::unique_ptr<State> state = std::move(state_);
  state->ledger->undo(*state);
}

Task<void> Hold::durable(Ledger& ledger) {
  return ledger.durable();
}

/// As they stand in HOLD and ENTRY.
journal::AccountPairs pairs_of(const std::vector<WindowRef>& windows) {
  journal::AccountPairs pairs;
  pairs.count = std::min(windows.size(), journal::kAccountsMax);
  for (std::size_t i = 0; i < pairs.count; ++i) {
    pairs.values[2 * i] = windows[i]->account.account_id;
    pairs.values[2 * i + 1] = windows[i]->window_id;
    if (windows[i]->leased) pairs.covered |= std::uint32_t{1} << i;
    if (windows[i]->account.in_tokens) pairs.tokens |= std::uint32_t{1} << i;
  }
  return pairs;
}

// What a Hold asks of the ledger.

bool LedgerImpl::attempt(Hold::State& hold, std::uint32_t number, std::string_view deployment_id,
                         std::string_view price_version) {
  hold.price_version = price_version;
  if (!journal_ || (hold.segment == nullptr && unsafe())) {
    hold.attempted = true;
    return true;
  }
  journal::RecordBatch& records = scratch();
  if (hold.segment == nullptr) records.add(hold.record);
  records.begin(journal::RecordType::Attempt);
  journal::put_attempt(records.payload(), hold.id, number, deployment_id, price_version);
  records.end();
  fault::kill_at("hold.before_journal");
  if (hold.segment == nullptr) {
    hold.segment = journal_->append(records, 1);
    if (hold.segment == nullptr) {
      counters_.journal_full.fetch_add(1, std::memory_order_relaxed);
      hold.attempted = options_.serve_when_full;
      return options_.serve_when_full;
    }
  } else {
    journal_->append(records, 0);
  }
  hold.attempted = true;
  fault::kill_at("hold.after_journal");
  fault::kill_at("attempt.before_send");
  return true;
}

void LedgerImpl::write(Hold::State& hold, journal::RecordBatch& records) {
  if (journal_ && hold.segment != nullptr) journal_->append(records, 0);
}

void LedgerImpl::take_anyway(Hold::State& hold, Amounts more) {
  more = more.from_zero();
  if (!more.any()) return;
  for (const WindowRef& window : hold.windows) {
    lease::take_anyway(*window->words, more.on(window->account));
    if (window->leased && window->words->free.load() < 0) leases_->touched(window->key());
  }
  note_extended(hold, more);
}

bool LedgerImpl::extend(Hold::State& hold, Amounts more) {
  more = more.from_zero();
  if (!more.any()) return true;
  if (take_all({hold.windows, hold.id, more, false, true}) != nullptr) return false;
  note_extended(hold, more);
  return true;
}

void LedgerImpl::note_extended(Hold::State& hold, const Amounts& more) {
  hold.amount += more;
  journal::RecordBatch& records = scratch();
  records.begin(journal::RecordType::Extend);
  journal::put_extend(records.payload(), hold.id, more.money, more.tokens);
  records.end();
  write(hold, records);
}

void LedgerImpl::settle(Hold::State& hold, domain::CallRecord& record) {
  using domain::EntryStatus;
  bool outgrown = record.cost > hold.amount.money && !hold.windows.empty();
  for (const WindowRef& window : hold.windows) {
    if (window->crossing.load(std::memory_order_relaxed) == hold.id) record.marks |= domain::kCrossing;
    outgrown = outgrown || (window->account.in_tokens && record.usage.tokens() > hold.amount.tokens);
  }
  if (outgrown) {
    record.marks |= domain::kHoldExceeded;
    counters_.hold_exceeded.fetch_add(1, std::memory_order_relaxed);
  }
  journal::RowTexts made;
  journal::EntryRow row = journal::row_of(record, made);
  row.text(journal::Text::PriceVersion) = hold.price_version;
  // The ledger's rows are in its own time, so that each stands in the window it is booked on.
  const std::int64_t offset_us = hold.started_us - row.numbers.started_us;
  for (std::int64_t* const at_us : {&row.numbers.started_us, &row.numbers.first_byte_us, &row.numbers.ended_us}) {
    if (*at_us != 0) *at_us += offset_us;
  }
  // The provider may still bill an attempt that was sent and of which nothing came back before the caller went.
  const bool left = record.status == EntryStatus::Aborted && hold.attempted && !record.attempts.empty() &&
                    !record.attempts.back().billed && record.attempts.back().error == ErrorKind::CallerGone;
  if (left) row.numbers.exposure_nano = std::max((hold.amount.money - record.cost).nano(), std::int64_t{0});
  finish(hold, row);
}

void LedgerImpl::undo(Hold::State& hold) {
  for (const WindowRef& window : hold.windows) {
    give(*window, hold.amount.on(window->account), 0);
    window->end_crossing(hold.id);
  }
  if (journal_) journal_->open_holds.fetch_sub(1, std::memory_order_relaxed);
}

/// What `other` has taken belongs to `hold`, in the place of the targets it had.
void LedgerImpl::take_over(Hold::State& hold, Hold::State& other) {
  const auto targets = hold.windows.begin() + static_cast<std::ptrdiff_t>(hold.own_windows);
  for (auto window = targets; window != hold.windows.end(); ++window)
    give(**window, hold.amount.on((*window)->account), 0);
  hold.windows.erase(targets, hold.windows.end());
  for (WindowRef& window : other.windows) {
    std::uint64_t theirs = other.id;
    window->crossing.compare_exchange_strong(theirs, hold.id);
    hold.windows.push_back(std::move(window));
  }
  if (journal_) journal_->open_holds.fetch_sub(1, std::memory_order_relaxed);
  if (hold.segment != nullptr) return;  // HOLD is written: the entry says what a crash would not.
  journal::HoldFacts facts = *journal::read_hold(hold.record.first_payload());
  facts.accounts = pairs_of(hold.windows);
  facts.tokens = hold.amount.tokens;  // Not in the record while no account counted them.
  journal::RecordBatch record;
  record.begin(journal::RecordType::Hold);
  journal::put_hold(record.payload(), facts);
  record.end();
  hold.record = std::move(record);
}

void LedgerImpl::settle_dropped(Hold::State& hold) {
  base::log(base::LogLevel::Error, "ledger: a hold was dropped without an entry; it is booked as interrupted");
  counters_.hold_dropped.fetch_add(1, std::memory_order_relaxed);
  const std::string_view payload = hold.record.first_payload();
  journal::OpenHold open;
  open.facts = *journal::read_hold(payload);
  open.attempted = open.awaited = hold.attempted;
  open.price_version = hold.price_version;
  std::string record_id;
  journal::EntryRow row = journal::closing_row(open, 0, clock_.now_us(), false, record_id);
  row.numbers.marks |= domain::kHoldDropped;
  row.text(journal::Text::EndReason) = "hold_dropped";
  row.text(journal::Text::ErrorText) = {};
  finish(hold, row);
}

void LedgerImpl::finish(Hold::State& hold, journal::EntryRow& row) {
  const Amounts used{Money::from_nano(row.numbers.cost_nano), journal::tokens_of(row.numbers)};
  row.numbers.hold_id = hold.id;
  row.numbers.held_nano = hold.amount.money.nano();
  row.accounts = pairs_of(hold.windows);
  std::unique_ptr<UnshippedEntry> entry = shipper_->new_entry();
  entry->entry_no = row.numbers.entry_no = next_entry_no();
  entry->queued_us = row.numbers.ended_us;

  journal::RecordBatch& records = scratch();
  records.begin(journal::RecordType::Entry);
  journal::encode_row(row, records.payload());
  entry->payload.assign(records.bytes(), journal::kRecordHeaderBytes, std::string::npos);
  records.end();

  // First the journal: from here on the call is booked whatever happens to this process.
  fault::kill_at("entry.before_journal");
  if (journal_) {
    // What is left of a full journal is for the calls whose HOLD is in it.
    const bool has_place = hold.segment != nullptr || !unsafe();
    if (has_place) entry->segment = journal_->append(records, 1);
    entry->in_journal = entry->segment != nullptr;
    if (!entry->in_journal) counters_.journal_full.fetch_add(1, std::memory_order_relaxed);
    if (hold.segment != nullptr) journal::Journal::unpin(hold.segment);
    journal_->open_holds.fetch_sub(1, std::memory_order_relaxed);
  }
  if (!entry->in_journal) counters_.in_memory.fetch_add(1, std::memory_order_relaxed);
  fault::kill_at("entry.after_journal");

  for (const WindowRef& window : hold.windows) {
    give(*window, hold.amount.on(window->account), used.on(window->account));
    window->end_crossing(hold.id);
    fault::kill_at("settle.after_first_account");
  }
  counters_.entries[row.numbers.status & 3].fetch_add(1, std::memory_order_relaxed);
  if ((row.numbers.marks & domain::kEstimated) != 0)
    counters_.entries_estimated.fetch_add(1, std::memory_order_relaxed);
  if ((row.numbers.marks & domain::kCostUnknown) != 0) counters_.cost_unknown.fetch_add(1, std::memory_order_relaxed);
  shipper_->push(std::move(entry));
}

}  // namespace turnpike::ledger
