#include "app/limits.h"

#include <fmt/format.h>
#include <unistd.h>

#include <future>

#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"

namespace turnpike::app {
namespace {

constexpr std::chrono::milliseconds kLookAtReplicas{250};

/// LITELLM_RATE_LIMIT_WINDOW_SIZE, in seconds; a minute without it.
std::chrono::microseconds window_length() {
  constexpr std::uint64_t kSecondsMax = 86'400;
  const auto text = config::process_environment()("LITELLM_RATE_LIMIT_WINDOW_SIZE");
  const auto seconds = text ? base::parse_unsigned(*text) : std::nullopt;
  if (!seconds || *seconds == 0 || *seconds > kSecondsMax) return std::chrono::seconds(60);
  return std::chrono::seconds(*seconds);
}

limit::Limiter::Options options_of(const config::Settings& settings, std::chrono::microseconds window) {
  return {static_cast<limit::StoreFailure>(settings.turnpike.rate_limit_on_store_failure), window};
}

/// Runs on every I/O thread, and waits for all.
void on_every_thread(pipeline::Gateway& gateway, const std::function<void(pipeline::Worker&)>& work) {
  for (const auto& worker : gateway.workers) {
    std::promise<void> done;
    worker->thread->post([&] {
      work(*worker);
      done.set_value();
    });
    done.get_future().wait();
  }
}

/// Limits of the configuration that so many replicas cannot share: each admits one at least.
std::vector<std::string> limits_below(const config::Settings& settings, std::uint32_t replicas) {
  std::vector<std::string> low;
  const auto look = [&](const std::string& name, const std::optional<std::int64_t>& limit) {
    if (limit && *limit > 0 && *limit < replicas) low.push_back(fmt::format("{} {}", name, *limit));
  };
  look("general_settings.max_parallel_requests", settings.general.max_parallel_requests);
  look("general_settings.global_max_parallel_requests", settings.general.global_max_parallel_requests);
  for (const config::ModelEntry& entry : settings.models) {
    const std::string of = " of deployment " + entry.id;
    look("rpm" + of, entry.rpm);
    look("tpm" + of, entry.tpm);
    look("max_parallel_requests" + of, entry.max_parallel_requests);
  }
  return low;
}

}  // namespace

Limits::Limits(pipeline::Gateway& gateway, const config::Settings& settings, const config::RedisSettings& redis)
    : gateway_(gateway), alone_(!gateway.database->is_shared()) {
  installation_.window = window_length();
  installation_.shards = static_cast<std::uint32_t>(settings.turnpike.limiter_shards);
  std::uint8_t random[16];
  base::fill_random(random, sizeof random);
  installation_.replica = base::to_hex(std::span(random));
  gateway.meters = std::make_unique<limit::Meters>(installation_.window);
  if (redis.used()) {
    redis_ = std::make_shared<redis::Redis>(redis, gateway.threads->all(), limit::RedisCount::probe(installation_));
    gateway.redis = redis_.get();
  }
  for (const auto& worker : gateway.workers) {
    worker->meters = std::make_unique<limit::NearMeters>(*gateway.meters);
    if (redis_)
      worker->shared_count = std::make_unique<limit::RedisCount>(redis_->client(*worker->thread), installation_);
    worker->limiter = std::make_unique<limit::Limiter>(gateway.replicas, worker->shared_count.get(),
                                                       redis_ ? &redis_->breaker() : nullptr,
                                                       options_of(settings, installation_.window));
  }
  if (redis_) {
    redis_->start();
    on_every_thread(gateway, [](pipeline::Worker& worker) { worker.shared_count->start(); });
  }
  if (redis_) {
    rests_ = std::make_unique<pipeline::SharedRests>(*redis_, gateway, installation_.name, installation_.replica);
    gateway.rests = rests_.get();
  }
  gateway.workers.front()->thread->post([this] {
    if (rests_) rests_->start();
    watch_replicas();
  });
  if (redis_ || !alone_) base::log(base::LogLevel::Info, "{}", basis());
}

void Limits::stop() {
  if (std::exchange(stopped_, true)) return;
  on_every_thread(gateway_, [this](pipeline::Worker& worker) {
    if (worker.shared_count) worker.shared_count->stop();
    if (worker.index != 0) return;
    watch_timer_.reset();
    if (rests_) rests_->stop();
  });
  if (redis_) redis_->stop();
}

void Limits::watch_replicas() {
  limit::Share share;
  share.replicas = static_cast<std::uint32_t>(std::max<std::int64_t>(gateway_.ledger->live_replicas(), 1));
  share.rank = static_cast<std::uint32_t>(std::max<std::int64_t>(gateway_.ledger->replica_rank(), 0));
  gateway_.replicas.set(share);
  if (!redis_) tell_low_limits(share.replicas);
  watch_timer_ = gateway_.workers.front()->thread->after(kLookAtReplicas, [this] { watch_replicas(); });
}

/// Once for each number of replicas: check-config cannot know how many there will be.
void Limits::tell_low_limits(std::uint32_t replicas) {
  const pipeline::SnapshotRef& snapshot = gateway_.workers.front()->snapshot;
  if (replicas == told_replicas_ || !snapshot) return;
  told_replicas_ = replicas;
  constexpr std::size_t kNamedMax = 10;
  const std::vector<std::string> low = limits_below(*snapshot->settings, replicas);
  if (low.empty()) return;
  const std::span named(low.data(), std::min(low.size(), kNamedMax));
  base::log(base::LogLevel::Warning,
            "{} replicas without Redis admit one call each at least, so {} limit(s) are too low: {}", replicas,
            low.size(), fmt::join(named, ", "));
}

std::string Limits::basis() const {
  if (redis_) {
    return fmt::format("Limits are counted by all replicas together in {} ({}).", redis_->settings().shown(),
                       redis_->breaker().open() ? "it does not answer now" : "it answers");
  }
  return "Limits without Redis: each replica admits its share, the limit over the live replicas, so uneven load makes "
         "limits stricter. router_settings.redis_url has all replicas count together.";
}

void Limits::append_metrics(std::string& page) const {
  const auto one = [&page](std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    page += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
  };
  gateway_.limit_refusals.append(page);
  one("turnpike_limit_waiting", "gauge", "Calls that wait for room in their limits.",
      static_cast<std::uint64_t>(std::max<std::int64_t>(gateway_.limit_waits.waiting.load(), 0)));
  one("turnpike_limit_queue_full_total", "counter", "Calls refused because too many waited for a limit already.",
      gateway_.limit_waits.queue_full.load());
  one("turnpike_replicas_live", "gauge", "Replicas alive on this database, this one included.",
      gateway_.replicas.get().replicas);
  one("turnpike_limit_meters", "gauge", "Counts of requests, tokens and parallel calls kept.",
      gateway_.meters->count());
  one("turnpike_limit_meters_forgotten_total", "counter", "Counts that had to go before their window had passed.",
      gateway_.meters->forgotten());
  if (!redis_) return;
  const redis::Counters& counters = redis_->counters();
  one("turnpike_redis_breaker_state", "gauge",
      "Whether Redis is left alone because it does not answer (1) or asked (0).", redis_->breaker().open() ? 1 : 0);
  one("turnpike_redis_breaker_openings_total", "counter", "How often Redis was left alone.",
      redis_->breaker().openings());
  one("turnpike_redis_connects_total", "counter", "Connections made to Redis.", counters.connects.load());
  one("turnpike_redis_commands_total", "counter", "Commands sent to Redis.", counters.commands.load());
  one("turnpike_redis_timeouts_total", "counter", "Commands that Redis did not answer in time.",
      counters.timeouts.load());
}

void Limits::settings_changed(pipeline::Worker& worker, const config::Settings& settings) {
  if (worker.limiter) {
    worker.limiter->on_store_failure(static_cast<limit::StoreFailure>(settings.turnpike.rate_limit_on_store_failure));
  }
}

}  // namespace turnpike::app
