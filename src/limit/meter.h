#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "limit/line.h"
#include "limit/ring.h"

namespace turnpike::limit {

/// Whose limit it is; the numbers are those of the ledger's accounts.
enum class Kind : std::uint8_t {
  Proxy = 1,
  Organization = 2,
  Team = 3,
  TeamMember = 4,
  User = 5,
  Key = 6,
  EndUser = 7,
  Tag = 8,
  OrganizationModel = 9,
  TeamModel = 10,
  UserModel = 11,
  KeyModel = 12,
  Deployment = 21,
  ModelGroup = 22,  // All that its deployments can take,
  Priority = 23,    // and the share of one priority in it.
};
inline constexpr std::size_t kKinds = 24;
/// LiteLLM's word for it in messages ("api_key", "model_per_team"); ours where it has none.
std::string_view descriptor_of(Kind kind);

enum class Unit : std::uint8_t { Requests, Tokens, Calls };  // Calls: those under way.
inline constexpr std::size_t kUnits = 3;
/// LiteLLM's word: "requests", "tokens", "max_parallel_requests".
std::string_view name_of(Unit unit);

struct Subject {
  Kind kind = Kind::Key;
  std::string entity;  // Its id.
  std::string model;   // Of the kinds per model.
  bool operator==(const Subject&) const = default;
};

/// The same, borrowed: what a call asks for its meters with.
struct SubjectView {
  Kind kind = Kind::Key;
  std::string_view entity, model;
  SubjectView(Kind of, std::string_view id, std::string_view calls_to = {}) : kind(of), entity(id), model(calls_to) {}
  SubjectView(const Subject& of) : SubjectView(of.kind, of.entity, of.model) {}  // NOLINT
  Subject own() const { return {kind, std::string(entity), std::string(model)}; }
  bool is(const Subject& other) const { return kind == other.kind && entity == other.entity && model == other.model; }
};

/// What calls change of all meters of one subject, in one cache line: I/O threads that serve the same subject pass on
/// one, where each unit by itself would be another.
struct alignas(64) MeterWords {
  Ring::Words requests, tokens;
  std::atomic<std::int64_t> under_way{0};  // Unit::Calls.
  std::atomic<std::int64_t> last_us{0};
};
static_assert(sizeof(MeterWords) == 64);

/// Counts one unit of one subject in this process, whatever its limit is at the moment.
///
/// Threading: any; without locks.
class alignas(64) Meter {
 public:
  /// `words`: those of the subject's other meters, if there are any.
  Meter(Subject subject, Unit unit, std::chrono::microseconds window,
        std::shared_ptr<MeterWords> words = std::make_shared<MeterWords>());

  const Subject& subject() const { return subject_; }
  Unit unit() const { return unit_; }
  /// What it is called in the store that replicas share: "r:6:<entity>".
  const std::string& shared_name() const { return shared_name_; }
  const std::shared_ptr<MeterWords>& words() const { return words_; }

  [[gnu::always_inline]] bool take(std::int64_t amount, std::int64_t limit, std::int64_t now_us) {
    words_->last_us.store(now_us, std::memory_order_relaxed);
    return has_ring() ? ring_->take(amount, limit, now_us) : take_call(amount, limit);
  }
  /// Takes whatever the limit.
  void add(std::int64_t amount, std::int64_t now_us) {
    words_->last_us.store(now_us, std::memory_order_relaxed);
    if (has_ring()) {
      ring_->add(amount, now_us);
    } else {
      words_->under_way.fetch_add(amount, std::memory_order_acq_rel);
    }
  }
  void give_back(std::int64_t amount, std::int64_t taken_us, std::int64_t now_us) {
    if (has_ring()) {
      ring_->give_back(amount, taken_us, now_us);
    } else {
      words_->under_way.fetch_sub(amount, std::memory_order_acq_rel);
    }
  }
  std::int64_t used(std::int64_t now_us) const {
    return has_ring() ? ring_->used(now_us) : words_->under_way.load(std::memory_order_acquire);
  }
  /// How long until `amount` fits if nobody else comes; nothing when it never will. Calls end when they do: a second.
  std::optional<std::int64_t> wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const;

  /// Whether something of it still counts, and when the subject was last taken from: what may be forgotten first.
  bool counts(std::int64_t now_us) const { return used(now_us) > 0; }
  std::int64_t last_us() const { return words_->last_us.load(std::memory_order_relaxed); }
  /// Who waits for room of it.
  Line& line() { return line_; }
  const Line& line() const { return line_; }

 private:
  bool has_ring() const { return unit_ != Unit::Calls; }
  bool take_call(std::int64_t amount, std::int64_t limit) {
    std::int64_t under_way = words_->under_way.load(std::memory_order_relaxed);
    while (under_way + amount <= limit) {
      if (words_->under_way.compare_exchange_weak(under_way, under_way + amount, std::memory_order_acq_rel))
        return true;
    }
    return false;
  }

  // What a call reads stands together; it changes nothing here.
  const Unit unit_;
  const std::shared_ptr<MeterWords> words_;
  std::optional<Ring> ring_;  // Whether there is one is known by the unit, which stands beside what is read next.
  Line line_;
  const Subject subject_;
  const std::string shared_name_;
};

using MeterRef = std::shared_ptr<Meter>;

/// All meters of the process, made when first asked for.
///
/// Limits:    `meters_max`; one more takes the place of the one used longest ago among some that no caller and no call
///            refers to, which forgets at most one window of one subject. About 1.3 kB each.
/// Threading: any; behind a lock, so calls ask a `NearMeters`.
class Meters {
 public:
  static constexpr std::size_t kMetersMax = 50'000;
  explicit Meters(std::chrono::microseconds window = std::chrono::seconds(60), std::size_t meters_max = kMetersMax)
      : window_(window), meters_max_(meters_max) {}

  MeterRef find(SubjectView subject, Unit unit, std::int64_t now_us);

  std::size_t count() const { return count_.load(std::memory_order_relaxed); }
  /// Those that had to go while they still counted something.
  std::uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  std::size_t place_for_one_more(std::int64_t now_us);
  std::shared_ptr<MeterWords> words_of(SubjectView subject) const;

  const std::chrono::microseconds window_;
  const std::size_t meters_max_;
  std::mutex mutex_;  // Guards the three below.
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<MeterRef> meters_;
  std::size_t hand_ = 0;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> forgotten_{0};
};

/// The meters one I/O thread has met lately: found again without a lock. Keeps none alive.
class NearMeters {
 public:
  /// Those of one subject.
  class OfSubject {
   public:
    MeterRef find(Unit unit, std::int64_t now_us) {
      MeterRef known = meters_[static_cast<std::size_t>(unit)].lock();
      if (!known) known = ask(unit, now_us);
      return known;
    }

   private:
    friend class NearMeters;
    MeterRef ask(Unit unit, std::int64_t now_us);

    Meters* all_ = nullptr;
    Subject subject_;
    std::array<std::weak_ptr<Meter>, kUnits> meters_;
  };

  explicit NearMeters(Meters& all);
  /// Stands until another subject is asked for.
  OfSubject& of(const SubjectView& subject);
  MeterRef find(const SubjectView& subject, Unit unit, std::int64_t now_us) { return of(subject).find(unit, now_us); }

 private:
  static constexpr std::size_t kPlaces = 1024;  // A power of two; two that fall on one place take turns.
  std::array<OfSubject, kPlaces> places_;
};

}  // namespace turnpike::limit
