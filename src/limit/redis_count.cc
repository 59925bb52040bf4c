#include "limit/redis_count.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/id.h"

namespace turnpike::limit {
namespace {

std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch()).count();
}

std::string random_id(redis::Client& client) {
  base::Random& random = client.loop().random();
  return fmt::format("{:016x}{:016x}", random.next(), random.next());
}

std::string bucket_us(const Installation& installation) {
  return std::to_string(installation.window.count() / 60);
}

/// "turnpike", or of several shards "turnpike:3".
std::string shard_name(const Installation& installation, std::uint32_t shard) {
  return installation.shards == 1 ? installation.name : fmt::format("{}:{}", installation.name, shard);
}

/// A limit of more than one organisation has a part in each shard.
std::int64_t part_of(const Installation& installation, const Limit& limit, std::uint32_t shard, std::int64_t most) {
  const std::int64_t part = limit.above ? Share{installation.shards, shard}.of(most) : most;
  return std::min(part, Ring::kUnitsMax);
}

std::string kind_of(const Installation& installation, const Limit& limit, std::uint32_t shard) {
  if (limit.meter->unit() == Unit::Calls) return "p";
  if (limit.held == Held::Never) return "c";
  if (limit.held == Held::WhenCrowded) return "s";
  if (!limit.crowded_at) return "r";
  return fmt::format("g{}", part_of(installation, limit, shard, *limit.crowded_at));
}

void add(redis::ScriptCall& call, std::string_view shard, const Meter& meter, std::string kind, std::int64_t number,
         std::int64_t amount) {
  call.keys.push_back(shared_key(shard, meter.shared_name()));
  call.arguments.push_back(std::move(kind));
  call.arguments.push_back(std::to_string(number));
  call.arguments.push_back(std::to_string(amount));
}

}  // namespace

RedisCount::RedisCount(redis::Client& client, Installation& installation)
    : client_(client), installation_(installation) {
  for (std::uint32_t i = 0; i < installation.shards; ++i) {
    const std::string name = shard_name(installation, i);
    shards_.push_back({name, shared_key(name, "a:")});
  }
  client_.greet_with([this] { return greeting(); });
}

redis::ScriptCall RedisCount::call(std::string_view act, const Shard& shard) {
  redis::ScriptCall call;
  call.keys = {shared_key(shard.name, "era"), shard.alive + holder_};
  call.arguments = {std::string(act),   bucket_us(installation_),
                    random_id(client_), holder_,
                    shard.alive,        std::to_string(installation_.alive.count())};
  return call;
}

Task<RedisCount::Answer> RedisCount::admit(Admission& admission) {
  const std::uint32_t shard = admission.shard();
  redis::ScriptCall asked = call("admit", shards_[shard]);
  for (const Limit& limit : admission.limits()) {
    add(asked, shards_[shard].name, *limit.meter, kind_of(installation_, limit, shard),
        part_of(installation_, limit, shard, limit.most), admission.amount(limit.meter->unit()));
  }
  hold(admission);
  admission.shared.state = Admission::Shared::State::Asked;
  const Result<redis::Reply> reply = co_await client_.run(limit_script(), std::move(asked));
  if (!reply) co_return Answer{};
  if (reply->is_error()) client_.failed(reply->text);
  co_return read(*reply, admission);
}

RedisCount::Answer RedisCount::read(const redis::Reply& reply, Admission& admission) {
  Answer answer;
  if (reply.kind != redis::Reply::Kind::List || reply.list.size() < 3) return answer;
  see_era(admission.shard(), reply.list[2].text);
  if (reply.integer_at(0, 0) == 1) {
    admission.shared.state = Admission::Shared::State::Counted;
    admission.shared.bucket = reply.integer_at(1, 0);
    for (std::size_t i = 0; i < admission.limits().size(); ++i)
      admission.shared.left.push_back(reply.integer_at(3 + i, 0));
    answer.kind = Answer::Kind::Admitted;
    return answer;
  }
  const auto place = static_cast<std::size_t>(reply.integer_at(3, 0) - 1);
  if (place >= admission.limits().size()) return answer;
  admission.shared.state = Admission::Shared::State::Refused;
  const Limit& limit = admission.limits()[place];
  const std::int64_t wait = reply.integer_at(5, 0);
  const bool is_split = limit.above && installation_.shards > 1;
  const std::int64_t most = is_split ? part_of(installation_, limit, admission.shard(), limit.most) : limit.most;
  answer.kind = Answer::Kind::Refused;
  answer.refusal = refusal_of(admission.limits(), place, most, admission.amount(limit.meter->unit()),
                              reply.integer_at(4, most), wait >= 0 ? std::optional(wait) : std::nullopt);
  answer.refusal.of_shard = is_split;
  return answer;
}

/// A new era means that the counts of the one before are lost.
void RedisCount::see_era(std::uint32_t shard, std::string_view era) {
  std::atomic<std::uint64_t>& known = installation_.eras[shard];
  const std::uint64_t seen = std::hash<std::string_view>()(era) | 1;
  if (known.load(std::memory_order_relaxed) == seen) return;
  if (known.exchange(seen, std::memory_order_relaxed) == 0) return;
  installation_.lost_us.store(monotonic_us(), std::memory_order_relaxed);
}

void RedisCount::hold(Admission& admission) {
  if (admission.shared.held) return;
  admission.shared.held = true;
  admission.shared.round = round_;
  for (const Limit& limit : admission.limits()) {
    if (limit.meter->unit() != Unit::Calls) continue;
    HeldPlaces& held = shards_[admission.shard()].held[limit.meter.get()];
    held.meter = limit.meter;
    ++held.count;
  }
}

void RedisCount::ended(const Admission& admission, Correction correction) {
  using State = Admission::Shared::State;
  const Admission::Shared& shared = admission.shared;
  if (!shared.held) return;
  Shard& shard = shards_[admission.shard()];
  redis::ScriptCall done = call("done", shard);
  // The server knows of a place if it took it, or may have, or has been told of all places since.
  const bool has_place = shared.state == State::Asked || shared.state == State::Counted || shared.round != round_;
  bool gives_place = false;
  for (const Limit& limit : admission.limits()) {
    const Meter& meter = *limit.meter;
    const std::int64_t amount = correction.of(meter.unit());
    if (meter.unit() == Unit::Calls) {
      const auto held = shard.held.find(&meter);
      if (held != shard.held.end() && --held->second.count == 0) shard.held.erase(held);
      if (has_place) add(done, shard.name, meter, "p", 0, -1);
      gives_place = has_place;
    } else if (amount != 0 && shared.state == State::Counted) {
      add(done, shard.name, meter, "r", shared.bucket, amount);
    }
  }
  if (done.keys.size() <= 2 || !client_.usable()) return;
  client_.send(limit_script(), std::move(done));
  // Who calls again as soon as he has his answer, perhaps on another thread, finds his place free.
  if (gives_place) client_.flush();
}

/// A new connection is a new holder: what the old one held, whatever the server made of its last commands, is void.
std::vector<redis::Command> RedisCount::greeting() {
  std::vector<redis::Command> commands;
  if (!holder_.empty()) {
    for (const Shard& shard : shards_) commands.push_back({"DEL", shard.alive + holder_});
  }
  holder_ = fmt::format("{}.{}", installation_.replica, random_id(client_));
  commands.push_back({"SCRIPT", "LOAD", limit_script().text});
  for (const redis::ScriptCall& one : renewals()) commands.push_back(one.command(limit_script(), false));
  return commands;
}

/// Tells the server what is held here: what it has missed or lost is right again.
std::vector<redis::ScriptCall> RedisCount::renewals() {
  ++round_;
  std::vector<redis::ScriptCall> calls;
  for (const Shard& shard : shards_) {
    calls.push_back(call("renew", shard));
    for (const auto& [meter, held] : shard.held) {
      if (calls.back().keys.size() >= 2 + kRenewedAtOnce) calls.push_back(call("renew", shard));
      add(calls.back(), shard.name, *meter, "p", 0, held.count);
    }
  }
  return calls;
}

void RedisCount::renew() {
  if (client_.usable()) {
    for (redis::ScriptCall& one : renewals()) client_.send(limit_script(), std::move(one));
  }
  plan_renewal();
}

void RedisCount::plan_renewal() {
  timer_ = client_.loop().after(installation_.renew_every, [this] { renew(); });
}

std::vector<redis::Command> RedisCount::probe(const Installation& installation) {
  redis::ScriptCall call;
  const std::string alive = shared_key(installation.name, "a:");
  call.keys = {shared_key(installation.name, "probe-era"), alive + "probe", shared_key(installation.name, "probe")};
  call.arguments = {"admit", bucket_us(installation), "probe", "probe", alive, "1000", "r", "1000000", "1"};
  return {{"PING"}, call.command(limit_script(), true)};
}

}  // namespace turnpike::limit
