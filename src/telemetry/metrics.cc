#include "telemetry/metrics.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/clock.h"
#include "telemetry/process_metrics.h"
#include "telemetry/series.h"

namespace turnpike::telemetry {
namespace {

using domain::Attempt;
using domain::CallRecord;
using domain::EntryStatus;

/// What decides the label values of a call or an attempt, as views into a record or into a remembered copy.
struct Key {
  const domain::Caller* caller = nullptr;
  std::array<std::string_view, 7> texts;  // See `Text`.
  int status = 0;
  int error = -1;  // ErrorKind, or -1.
  bool is_attempt = false;

  bool operator==(const Key&) const = default;
};
enum Text : std::size_t { kRequested, kGroup, kRoute, kModel, kDeploymentId, kProvider, kApiBase };

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

std::uint64_t hash_of(const Key& key) {
  std::uint64_t hash = mix(reinterpret_cast<std::uintptr_t>(key.caller), static_cast<std::uint64_t>(key.status));
  hash = mix(hash, static_cast<std::uint64_t>(key.error + 1) * 2 + (key.is_attempt ? 1 : 0));
  for (const std::string_view text : key.texts) hash = mix(hash, std::hash<std::string_view>{}(text));
  return hash;
}

/// A key kept, with the cells found for it so far.
struct Known {
  explicit Known(const Key& seen, domain::CallerRef caller_in) : caller(std::move(caller_in)), key(seen) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i] = seen.texts[i];
      key.texts[i] = texts[i];
    }
  }
  Known(const Known&) = delete;
  Known& operator=(const Known&) = delete;

  domain::CallerRef caller;  // Keeps the address from meaning somebody else later.
  std::array<std::string, 7> texts;
  Key key;
  std::array<Cell*, kMetricCount> cells{};
};

/// Which model names may be label values.
class Models {
 public:
  explicit Models(std::size_t learned_max) : learned_max_(learned_max) {}

  void know(const std::vector<std::string>& names) {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : names) known_.insert(name);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  void learn(std::initializer_list<std::string_view> names) {
    const std::lock_guard lock(mutex_);
    for (const std::string_view name : names) {
      if (name.empty() || name.size() > kNameBytesMax || learned_ >= learned_max_ || known_.contains(name)) continue;
      known_.emplace(name);
      ++learned_;
      epoch_.fetch_add(1, std::memory_order_release);
    }
  }
  /// The name itself, "" for none, or "other".
  std::string_view shown(std::string_view name) const {
    if (name.empty()) return name;
    const std::lock_guard lock(mutex_);
    return known_.contains(name) ? name : std::string_view("other");
  }
  /// Rises when a name that was "other" is so no longer.
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  static constexpr std::size_t kNameBytesMax = 256;
  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> known_;
  std::size_t learned_ = 0;
  std::size_t learned_max_;
  std::atomic<std::uint64_t> epoch_{0};
};

/// Routes come from a table of ours; should one carry a caller's text, the number of values stays bounded.
class Routes {
 public:
  std::string_view shown(std::string_view route) {
    const std::lock_guard lock(mutex_);
    if (routes_.contains(route)) return route;
    if (routes_.size() >= kRoutesMax) return "other";
    routes_.emplace(route);
    return route;
  }

 private:
  static constexpr std::size_t kRoutesMax = 48;
  std::mutex mutex_;
  std::set<std::string, std::less<>> routes_;
};

class MetricsOfProcess final : public Metrics {
 public:
  explicit MetricsOfProcess(Options options)
      : store_({std::max<std::size_t>(options.threads, 1), options.series_max, options.page_bytes_max}),
        models_(options.models_max),
        shards_(store_.threads()) {}

  void know_models(const std::vector<std::string>& names) override { models_.know(names); }
  void call_ended(std::size_t thread, const CallRecord& record) override;
  void observe(std::string name, std::string help, Kind kind, std::function<double()> read) override {
    const std::lock_guard lock(observers_mutex_);
    observers_.push_back({std::move(name), std::move(help), kind, std::move(read)});
  }
  void observe_text(std::function<void(std::string&)> render) override {
    const std::lock_guard lock(observers_mutex_);
    text_observers_.push_back(std::move(render));
  }
  std::string render() override;
  Money spend_total() override {
    std::int64_t nano = 0;
    for (const Series* series : store_.series_of(Metric::Spend)) nano += total_of(*series, store_.threads());
    return Money::from_nano(nano);
  }

 private:
  struct alignas(64) Shard {
    std::unordered_map<std::uint64_t, std::unique_ptr<Known>> known;
    std::uint64_t epoch = 0;
    std::array<std::atomic<std::uint64_t>, 4> entries{};  // By EntryStatus.
  };
  struct Observer {
    std::string name, help;
    Kind kind;
    std::function<double()> read;
  };

  Known& remember(std::size_t thread, const Key& key, const domain::CallerRef& caller);
  Cell& cell(std::size_t thread, Known& known, Metric metric) {
    Cell*& found = known.cells[static_cast<std::size_t>(metric)];
    if (found == nullptr) found = &store_.cell(thread, metric, values_of(known.key));
    return *found;
  }
  LabelValues values_of(const Key& key);
  void count_call(std::size_t thread, Known& known, const CallRecord& record);
  void count_attempt(std::size_t thread, const CallRecord& record, const Attempt& attempt);
  void count_fallbacks(std::size_t thread, const CallRecord& record);

  SeriesStore store_;
  Models models_;
  Routes routes_;
  std::vector<Shard> shards_;
  std::mutex observers_mutex_;
  std::vector<Observer> observers_;
  std::vector<std::function<void(std::string&)>> text_observers_;
  std::atomic<std::size_t> page_bytes_{64 << 10};
  const std::int64_t started_us_ = base::unix_now_us();
};

constexpr std::size_t kKnownMax = 4096;  // Label sets a thread remembers; a flood of names empties it.

Known& MetricsOfProcess::remember(std::size_t thread, const Key& key, const domain::CallerRef& caller) {
  Shard& shard = shards_[thread];
  if (const std::uint64_t epoch = models_.epoch(); epoch != shard.epoch) {
    shard.known.clear();
    shard.epoch = epoch;
  }
  const std::uint64_t hash = hash_of(key);
  const auto it = shard.known.find(hash);
  if (it != shard.known.end() && it->second->key == key) return *it->second;
  if (shard.known.size() >= kKnownMax) shard.known.clear();
  std::unique_ptr<Known>& slot = shard.known[hash];
  slot = std::make_unique<Known>(key, caller);
  return *slot;
}

/// Statuses as text that lives for ever.
std::string_view status_text(int status) {
  static const std::array<std::string, 600> texts = [] {
    std::array<std::string, 600> made;
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = std::to_string(i);
    return made;
  }();
  return status > 0 && static_cast<std::size_t>(status) < texts.size()
             ? std::string_view(texts[static_cast<std::size_t>(status)])
             : std::string_view();
}

LabelValues MetricsOfProcess::values_of(const Key& key) {
  thread_local std::string exception;  // Lives until this thread asks again; the store copies it before.
  LabelValues values;
  const auto set = [&](Label label, std::string_view value) { values[static_cast<std::size_t>(label)] = value; };
  if (key.caller != nullptr) {
    set(Label::HashedApiKey, key.caller->key_hash_hex);
    set(Label::ApiKeyAlias, key.caller->key_alias);
    set(Label::Team, key.caller->team_id);
    set(Label::TeamAlias, key.caller->team_alias);
    set(Label::User, key.caller->user_id);
  }
  set(Label::RequestedModel, models_.shown(key.texts[kRequested]));
  set(Label::ModelGroup, models_.shown(key.texts[kGroup]));
  const std::string_view model = models_.shown(key.texts[kModel]);
  set(Label::Model, model);
  set(Label::LitellmModelName, model);
  set(Label::ModelId, key.texts[kDeploymentId]);
  set(Label::ApiProvider, key.texts[kProvider]);
  set(Label::ApiBase, key.texts[kApiBase]);
  set(Label::Route, routes_.shown(key.texts[kRoute]));
  set(Label::StatusCode, status_text(key.status));
  if (key.error >= 0) {
    const auto kind = static_cast<ErrorKind>(key.error);
    exception = exception_class(key.texts[kProvider], kind);
    set(Label::ExceptionClass, exception);
    set(Label::ExceptionStatus, status_text(key.status >= 400 ? key.status : exception_face(kind).status));
  }
  return values;
}

void MetricsOfProcess::count_call(std::size_t thread, Known& known, const CallRecord& record) {
  const bool answered = record.status == EntryStatus::Success;
  cell(thread, known, Metric::TotalRequests).add(1);
  if (record.status == EntryStatus::Failure || record.status == EntryStatus::Interrupted) {
    cell(thread, known, Metric::FailedRequests).add(1);
    if (record.error && base::is_upstream(*record.error)) cell(thread, known, Metric::ApiFailedRequests).add(1);
  }
  // Money is counted wherever the ledger books it, so that both agree to the last nanodollar.
  if (answered || record.cost.nano() != 0) cell(thread, known, Metric::Spend).add(record.cost.nano());
  const auto prompt = static_cast<std::int64_t>(record.usage.prompt_tokens());
  const auto completion = static_cast<std::int64_t>(record.usage.completion_tokens());
  if (answered || prompt + completion > 0) {
    cell(thread, known, Metric::TotalTokens).add(prompt + completion);
    cell(thread, known, Metric::InputTokens).add(prompt);
    cell(thread, known, Metric::OutputTokens).add(completion);
  }
  if (!answered) return;
  cell(thread, known, Metric::Requests).add(1);
  const std::int64_t total_us = record.ended_us - record.started_us;
  cell(thread, known, Metric::RequestLatency).observe_us(total_us);
  if (record.attempts.empty()) return;
  cell(thread, known, Metric::ApiLatency).observe_us(record.upstream_us);
  cell(thread, known, Metric::OverheadLatency).observe_us(total_us - record.upstream_us);
  if (record.stream && record.first_byte_us > 0) {
    cell(thread, known, Metric::TimeToFirstToken).observe_us(record.first_byte_us - record.attempts.back().started_us);
  }
}

Key attempt_key(const CallRecord& record, const Attempt& attempt) {
  Key key;
  key.caller = record.caller.get();
  key.texts = {record.requested_model, attempt.model_group, {}, attempt.model, attempt.deployment_id,
               attempt.provider,       attempt.api_base};
  key.status = attempt.error ? attempt.status : 0;
  key.error = attempt.error ? static_cast<int>(*attempt.error) : -1;
  key.is_attempt = true;
  return key;
}

void MetricsOfProcess::count_attempt(std::size_t thread, const CallRecord& record, const Attempt& attempt) {
  Known& known = remember(thread, attempt_key(record, attempt), record.caller);
  cell(thread, known, Metric::DeploymentTotal).add(1);
  if (!attempt.error) {
    cell(thread, known, Metric::DeploymentSuccess).add(1);
  } else if (*attempt.error != ErrorKind::CallerGone) {
    cell(thread, known, Metric::DeploymentFailure).add(1);
  }
}

/// Rare, so nothing is remembered: each group entered after the first, with the error that led there.
void MetricsOfProcess::count_fallbacks(std::size_t thread, const CallRecord& record) {
  for (std::size_t i = 1; i < record.attempts.size(); ++i) {
    const Attempt& before = record.attempts[i - 1];
    const Attempt& attempt = record.attempts[i];
    if (attempt.model_group == before.model_group || !before.error) continue;
    std::size_t last = i;  // Of this group.
    while (last + 1 < record.attempts.size() && record.attempts[last + 1].model_group == attempt.model_group) ++last;
    const bool answered = !record.attempts[last].error;
    LabelValues values = values_of(attempt_key(record, before));
    values[static_cast<std::size_t>(Label::FallbackModel)] = models_.shown(attempt.model_group);
    values[static_cast<std::size_t>(Label::ModelId)] = record.attempts[last].deployment_id;
    store_.cell(thread, answered ? Metric::SuccessfulFallbacks : Metric::FailedFallbacks, values).add(1);
  }
}

void MetricsOfProcess::call_ended(std::size_t thread, const CallRecord& record) {
  thread = std::min(thread, shards_.size() - 1);
  static const Attempt kNone;
  const Attempt& last = record.attempts.empty() ? kNone : record.attempts.back();
  Key key;
  key.caller = record.caller.get();
  key.texts = {record.requested_model, record.model_group, record.route, last.model,
               last.deployment_id,     last.provider,      last.api_base};
  key.status = record.http_status;
  key.error = record.error ? static_cast<int>(*record.error) : -1;

  Known* known = &remember(thread, key, record.caller);
  const bool answered = record.status == EntryStatus::Success;
  if (answered && known->cells[static_cast<std::size_t>(Metric::Requests)] == nullptr) {
    // First answer with these names. A name that only default_fallbacks served is not the name of a model.
    const bool named = record.requested_model == record.model_group;
    models_.learn({named ? record.requested_model : std::string_view(), record.model_group, last.model});
    known = &remember(thread, key, record.caller);
  }
  count_call(thread, *known, record);
  for (const Attempt& attempt : record.attempts) count_attempt(thread, record, attempt);
  if (record.fallbacks > 0) count_fallbacks(thread, record);
  if (!record.record_id.empty()) {
    std::atomic<std::uint64_t>& entries = shards_[thread].entries[static_cast<std::size_t>(record.status)];
    entries.store(entries.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

std::string MetricsOfProcess::render() {
  std::string out;
  out.reserve(page_bytes_.load() * 5 / 4);
  for (std::size_t i = 0; i < kMetricCount; ++i) append_metric(out, static_cast<Metric>(i), store_);
  append_process_metrics(out, started_us_);

  out += "# HELP turnpike_entries_total Ledger entries made by this process, by how their call ended.\n";
  out += "# TYPE turnpike_entries_total counter\n";
  for (std::size_t i = 0; i < 4; ++i) {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.entries[i].load(std::memory_order_relaxed);
    out.append("turnpike_entries_total{status=\"").append(domain::status_name(static_cast<EntryStatus>(i)));
    out.append("\"} ").append(std::to_string(sum)).append(".0\n");
  }
  append_value(out, "turnpike_series_folded_total", "Times that a label set was counted as \"other\" for lack of room.",
               true, static_cast<double>(store_.folded()));

  const std::lock_guard lock(observers_mutex_);
  for (const Observer& observer : observers_) {
    append_value(out, observer.name, observer.help, observer.kind == Kind::Counter, observer.read());
  }
  for (const auto& text : text_observers_) text(out);
  page_bytes_.store(out.size());
  return out;
}

}  // namespace

std::unique_ptr<Metrics> Metrics::make(Options options) {
  return std::make_unique<MetricsOfProcess>(options);
}

}  // namespace turnpike::telemetry
