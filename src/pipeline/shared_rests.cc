#include "pipeline/shared_rests.h"

#include "base/clock.h"
#include "base/text.h"
#include "limit/script.h"
#include "pipeline/gateway.h"

namespace turnpike::pipeline {
namespace {

// KEYS 1: a hash from deployment to "until replica status kind", until in milliseconds of the server's clock. ARGV 1
// "tell", 2 deployment, 3 how long in ms, 4 the rest of the text; or "look", which answers deployment, ms left, text of
// each. A rest never becomes shorter.
constexpr const char* kLua = R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function until_of(text) return tonumber(string.match(text, '^%d+')) or 0 end
if ARGV[1] == 'tell' then
  local lasts = tonumber(ARGV[3])
  local known = redis.call('HGET', KEYS[1], ARGV[2])
  if known and until_of(known) >= now + lasts then return 0 end
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', now + lasts) .. ' ' .. ARGV[4])
  if redis.call('PTTL', KEYS[1]) < lasts then redis.call('PEXPIRE', KEYS[1], lasts) end
  return 1
end
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local left = until_of(all[i + 1]) - now
  if left > 0 then
    found[#found + 1] = all[i]
    found[#found + 1] = left
    found[#found + 1] = all[i + 1]
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return found
)lua";

const redis::Script& rest_script() {
  static const redis::Script kScript(kLua);
  return kScript;
}

}  // namespace

struct SharedRests::State {
  redis::Client& client;  // Of the first thread.
  Gateway& gateway;
  const std::string key, replica;
  bool stopped = false;
  SharedRests* owner = nullptr;
  std::unordered_map<std::string, std::string> seen = {};  // By deployment: taken over once.

  void adopt(const redis::Reply& reply);
  router::DeploymentRef find(const std::string& id) const;
};

SharedRests::SharedRests(redis::Redis& redis, Gateway& gateway, const std::string& installation, std::string replica)
    : redis_(redis),
      first_(*gateway.threads->all().front()),
      state_(std::make_shared<State>(State{redis.client(*gateway.threads->all().front()), gateway,
                                           limit::shared_key(installation, "rests"), std::move(replica)})) {
  state_->owner = this;
}

void SharedRests::stop() {
  timer_.reset();
  state_->stopped = true;
}

void SharedRests::tell(net::IoThread& thread, const router::Deployment& deployment, std::int64_t now_us) {
  const router::Health& health = *deployment.health;
  const std::int64_t left_ms = (health.cooling_until_us.load(std::memory_order_relaxed) - now_us) / 1000;
  redis::Client& client = redis_.client(thread);
  if (left_ms <= 0 || !client.usable()) return;
  redis::ScriptCall call;
  call.keys = {state_->key};
  call.arguments = {"tell", deployment.id, std::to_string(left_ms),
                    state_->replica + " " + std::to_string(health.cooling_status.load()) + " " +
                        std::to_string(static_cast<int>(health.cooling_kind.load()))};
  client.send(rest_script(), std::move(call));
}

void SharedRests::plan_look() {
  timer_ = first_.after(kLookEvery, [this] { base::spawn(look(state_)); });
}

Task<void> SharedRests::look(std::shared_ptr<State> state) {
  if (state->client.usable()) {
    redis::ScriptCall call;
    call.keys = {state->key};
    call.arguments = {"look"};
    const Result<redis::Reply> reply = co_await state->client.run(rest_script(), std::move(call));
    if (reply && !state->stopped) state->adopt(*reply);
  }
  if (!state->stopped) state->owner->plan_look();
}

router::DeploymentRef SharedRests::State::find(const std::string& id) const {
  for (const router::ModelGroupRef& group : gateway.workers.front()->snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (deployment->id == id) return deployment;
    }
  }
  return nullptr;
}

void SharedRests::State::adopt(const redis::Reply& reply) {
  const std::vector<redis::Reply>& list = reply.list;
  if (list.empty()) seen.clear();
  for (std::size_t i = 0; i + 2 < list.size(); i += 3) {
    const std::vector<std::string_view> words = base::split(list[i + 2].text, ' ');
    if (words.size() != 4 || words[1] == replica) continue;
    std::string& before = seen[list[i].text];
    if (before == list[i + 2].text) continue;
    before = list[i + 2].text;
    const router::DeploymentRef deployment = find(list[i].text);
    const auto kind = static_cast<ErrorKind>(base::parse_unsigned(words[3]).value_or(0));
    if (!deployment || kind > ErrorKind::UpstreamTruncated) continue;
    router::rest_as_told(*deployment, std::chrono::milliseconds(reply.integer_at(i + 1, 0)), kind,
                         static_cast<int>(base::parse_unsigned(words[2]).value_or(0)), base::unix_now_us());
  }
}

}  // namespace turnpike::pipeline
