#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "limit/admission.h"
#include "limit/script.h"
#include "redis/client.h"

namespace turnpike::limit {

/// What the counts of all threads of a process have in common.
struct Installation {
  static constexpr std::uint32_t kShardsMax = 64;
  std::string name = "turnpike";  // Replicas that count together have the same,
  std::uint32_t shards = 1;       // and the same number of slots of a cluster that they spread organisations over.
  std::string replica;            // This process's own: no other process, of before or beside it, has the same.
  std::chrono::microseconds window{60'000'000};
  std::chrono::milliseconds renew_every{2000};  // What is held is told so often;
  std::chrono::milliseconds alive{6000};        // a holder not heard of for so long has gone.

  /// When, on the monotonic clock, the server last turned out to have lost its counts; 0: never. Set by any thread.
  std::atomic<std::int64_t> lost_us{0};
  /// By shard a hash of the era last seen; 0: none yet.
  std::array<std::atomic<std::uint64_t>, kShardsMax> eras{};
};

/// Counts the admissions of one I/O thread together with all other threads and replicas, in Redis. Each connection is a
/// holder of places of its own, alive as long as it is renewed, so what a lost connection or replica held is free
/// within `Installation::alive`.
///
/// Threading: lives on the client's thread.
class RedisCount final : public SharedCount {
 public:
  static constexpr std::size_t kRenewedAtOnce = 200;  // Keys of one command.

  struct Answer {
    enum class Kind : std::uint8_t { Admitted, Refused, Away } kind = Kind::Away;
    Refusal refusal;
  };

  /// On the client's thread, before the client connects or while it is not connected; both outlive this.
  RedisCount(redis::Client& client, Installation& installation);

  bool usable() const { return client_.usable(); }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  /// When the server last turned out to have lost its counts, on the monotonic clock; 0: never.
  std::int64_t lost_us() const { return installation_.lost_us.load(std::memory_order_relaxed); }
  /// One round trip. Refused and Away leave the admission to the caller.
  Task<Answer> admit(Admission& admission);
  /// Begins to renew; ends with `stop`.
  void start() { plan_renewal(); }
  void stop() { timer_.reset(); }

  /// Counts the places of an admission that is not asked for: the server hears of them with the next renewal.
  void hold(Admission& admission);
  void ended(const Admission& admission, Correction correction) override;

  /// What has to be answered before the server is used again: the script itself, on a key of no meaning.
  static std::vector<redis::Command> probe(const Installation& installation);

 private:
  struct HeldPlaces {
    MeterRef meter;
    std::int64_t count = 0;
  };
  /// What lies under one tag: one script reaches no further.
  struct Shard {
    std::string name;
    std::string alive;  // What stands before a holder in its sign of life.
    std::unordered_map<const Meter*, HeldPlaces> held = {};
  };
  redis::ScriptCall call(std::string_view act, const Shard& shard);
  std::vector<redis::Command> greeting();
  std::vector<redis::ScriptCall> renewals();
  void renew();
  void plan_renewal();
  void see_era(std::uint32_t shard, std::string_view era);
  Answer read(const redis::Reply& reply, Admission& admission);

  redis::Client& client_;
  Installation& installation_;
  std::vector<Shard> shards_;
  std::string holder_;
  std::uint64_t round_ = 0;  // Renewals so far: a later one has counted what was held then.
  std::unique_ptr<net::IoThread::Timer> timer_;
};

}  // namespace turnpike::limit
