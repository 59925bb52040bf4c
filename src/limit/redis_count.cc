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

}  // namespace

RedisCount::RedisCount(redis::Client& client, Installation& installation)
    : client_(client), installation_(installation), alive_(shared_key(installation.name, "a:")) {
  client_.greet_with([this] { return greeting(); });
}

redis::ScriptCall RedisCount::call(std::string_view act) {
  redis::ScriptCall call;
  call.keys = {shared_key(installation_.name, "era"), alive_ + holder_};
  call.arguments = {std::string(act),
                    bucket_us(installation_),
                    random_id(client_),
                    holder_,
                    alive_,
                    std::to_string(installation_.alive.count())};
  return call;
}

void RedisCount::add(redis::ScriptCall& call, const Meter& meter, std::int64_t number, std::int64_t amount) const {
  call.keys.push_back(shared_key(installation_.name, meter.shared_name()));
  call.arguments.emplace_back(meter.unit() == Unit::Calls ? "p" : "r");
  call.arguments.push_back(std::to_string(number));
  call.arguments.push_back(std::to_string(amount));
}

Task<RedisCount::Answer> RedisCount::admit(Admission& admission) {
  redis::ScriptCall asked = call("admit");
  for (const Limit& limit : admission.limits()) {
    add(asked, *limit.meter, std::min(limit.most, Ring::kUnitsMax), admission.amount(limit.meter->unit()));
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
  see_era(reply.list[2].text);
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
  answer.kind = Answer::Kind::Refused;
  answer.refusal = refusal_of(limit, limit.most, admission.amount(limit.meter->unit()), reply.integer_at(4, limit.most),
                              wait >= 0 ? std::optional(wait) : std::nullopt);
  return answer;
}

/// A new era means that the counts of the one before are lost.
void RedisCount::see_era(std::string_view era) {
  const std::uint64_t seen = std::hash<std::string_view>()(era) | 1;
  if (installation_.era.load(std::memory_order_relaxed) == seen) return;
  if (installation_.era.exchange(seen, std::memory_order_relaxed) == 0) return;
  installation_.lost_us.store(monotonic_us(), std::memory_order_relaxed);
}

void RedisCount::hold(Admission& admission) {
  if (admission.shared.held) return;
  admission.shared.held = true;
  admission.shared.round = round_;
  for (const Limit& limit : admission.limits()) {
    if (limit.meter->unit() != Unit::Calls) continue;
    Held& held = held_[limit.meter.get()];
    held.meter = limit.meter;
    ++held.count;
  }
}

void RedisCount::let_go(const Meter& meter) {
  const auto held = held_.find(&meter);
  if (held != held_.end() && --held->second.count == 0) held_.erase(held);
}

void RedisCount::ended(const Admission& admission, Correction correction) {
  using State = Admission::Shared::State;
  const Admission::Shared& shared = admission.shared;
  if (!shared.held) return;
  redis::ScriptCall done = call("done");
  // The server knows of a place if it took it, or may have, or has been told of all places since.
  const bool has_place = shared.state == State::Asked || shared.state == State::Counted || shared.round != round_;
  bool gives_place = false;
  for (const Limit& limit : admission.limits()) {
    const Meter& meter = *limit.meter;
    const std::int64_t amount = correction.of(meter.unit());
    if (meter.unit() == Unit::Calls) {
      let_go(meter);
      if (has_place) add(done, meter, 0, -1);
      gives_place = has_place;
    } else if (amount != 0 && shared.state == State::Counted) {
      add(done, meter, shared.bucket, amount);
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
  if (!holder_.empty()) commands.push_back({"DEL", alive_ + holder_});
  holder_ = fmt::format("{}.{}", installation_.replica, random_id(client_));
  commands.push_back({"SCRIPT", "LOAD", limit_script().text});
  for (const redis::ScriptCall& one : renewals()) commands.push_back(one.command(limit_script(), false));
  return commands;
}

/// Tells the server what is held here: what it has missed or lost is right again.
std::vector<redis::ScriptCall> RedisCount::renewals() {
  ++round_;
  std::vector<redis::ScriptCall> calls = {call("renew")};
  for (const auto& [meter, held] : held_) {
    if (calls.back().keys.size() >= 2 + kRenewedAtOnce) calls.push_back(call("renew"));
    add(calls.back(), *meter, 0, held.count);
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
