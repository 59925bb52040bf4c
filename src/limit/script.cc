#include "limit/script.h"

#include <fmt/format.h>

namespace turnpike::limit {
namespace {

// A ring is a hash: h the newest bucket, s the sum, "0" to "60" the buckets by their number modulo 61. Places are a
// hash from holder to how many it has; those of holders without a sign of life are void.
constexpr const char* kLua = R"lua(
local act, width = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local current = math.floor(now / width)
local me, alive, lasts = ARGV[4], ARGV[5], ARGV[6]
local lasts_ring = math.ceil(62 * width / 1000)

local function turn(key)
  local head = redis.call('HMGET', key, 'h', 's')
  local newest, sum = tonumber(head[1]), tonumber(head[2]) or 0
  if not newest then return current, 0, true end
  if current <= newest then return newest, sum, false end
  if current - newest > 60 then
    redis.call('DEL', key)
    return current, 0, true
  end
  local old = {}
  for bucket = newest + 1, current do old[#old + 1] = bucket % 61 end
  for _, count in ipairs(redis.call('HMGET', key, unpack(old))) do sum = sum - (tonumber(count) or 0) end
  redis.call('HDEL', key, unpack(old))
  redis.call('HSET', key, 'h', current, 's', sum)
  redis.call('PEXPIRE', key, lasts_ring)
  return current, sum, false
end

local function put(key, newest, sum, fresh, bucket, amount)
  redis.call('HINCRBY', key, bucket % 61, amount)
  redis.call('HSET', key, 'h', newest, 's', sum + amount)
  if fresh then redis.call('PEXPIRE', key, lasts_ring) end
end

local function wait_of(key, newest, sum, limit, amount)
  if amount > limit then return -1 end
  local names = {}
  for bucket = newest - 60, newest do names[#names + 1] = bucket % 61 end
  for i, count in ipairs(redis.call('HMGET', key, unpack(names))) do
    sum = sum - (tonumber(count) or 0)
    if sum + amount <= limit then return (newest + i) * width - now end
  end
  return 61 * width
end

local function places(key)
  local all = redis.call('HGETALL', key)
  if #all == 0 then return 0 end
  local signs, sum = {}, 0
  for i = 1, #all, 2 do signs[#signs + 1] = alive .. all[i] end
  local living = redis.call('MGET', unpack(signs))
  for i = 1, #all, 2 do
    if living[(i + 1) / 2] or all[i] == me then
      sum = sum + tonumber(all[i + 1])
    else
      redis.call('HDEL', key, all[i])
    end
  end
  return sum
end

local function hold(key, count)
  if count > 0 then
    redis.call('HSET', key, me, count)
    redis.call('PEXPIRE', key, 5 * lasts)
  else
    redis.call('HDEL', key, me)
  end
end

local function admit()
  local era = redis.call('GET', KEYS[1])
  if not era then
    era = ARGV[3]
    redis.call('SET', KEYS[1], era)
  end
  local newest, sum, fresh, refused, longest, used = {}, {}, {}, 0, -2, 0
  local crowded = nil
  for i = 3, #KEYS do
    local at = 3 * i - 2
    local kind, limit, amount, wait = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), 1000000
    if kind == 'p' then sum[i] = places(KEYS[i]) else newest[i], sum[i], fresh[i] = turn(KEYS[i]) end
    if string.sub(kind, 1, 1) == 'g' then
      local from = tonumber(string.sub(kind, 2))
      if sum[i] + amount > from and crowded ~= -1 then
        local ends = wait_of(KEYS[i], newest[i], sum[i], from, amount)
        if ends == -1 or not crowded or ends > crowded then crowded = ends end
      end
    end
    local held = kind ~= 'c' and (kind ~= 's' or crowded)
    if held and sum[i] + amount > limit then
      if kind ~= 'p' then wait = wait_of(KEYS[i], newest[i], sum[i], limit, amount) end
      if kind == 's' and crowded ~= -1 and (wait == -1 or crowded < wait) then wait = crowded end
      if longest ~= -1 and (wait == -1 or wait > longest) then refused, longest, used = i - 2, wait, sum[i] end
    end
  end
  if refused > 0 then return {0, current, era, refused, used, math.ceil(longest)} end
  local answer = {1, current, era}
  for i = 3, #KEYS do
    local at = 3 * i - 2
    local amount = tonumber(ARGV[at + 2])
    answer[#answer + 1] = tonumber(ARGV[at + 1]) - sum[i] - amount
    if ARGV[at] ~= 'p' then
      put(KEYS[i], newest[i], sum[i], fresh[i], newest[i], amount)
    else
      redis.call('SET', KEYS[2], 1, 'PX', lasts)
      hold(KEYS[i], (tonumber(redis.call('HGET', KEYS[i], me)) or 0) + amount)
    end
  end
  return answer
end

local function done()
  for i = 3, #KEYS do
    local at = 3 * i - 2
    local key, bucket, amount = KEYS[i], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    if ARGV[at] == 'p' then
      local mine = tonumber(redis.call('HGET', key, me))
      if mine then hold(key, mine + amount) end
    else
      local newest, sum, fresh = turn(key)
      if amount > 0 then
        put(key, newest, sum, fresh, newest, amount)
      elseif newest - bucket <= 60 and bucket <= newest then
        local there = tonumber(redis.call('HGET', key, bucket % 61)) or 0
        if there > 0 then put(key, newest, sum, fresh, bucket, -math.min(there, -amount)) end
      end
    end
  end
  return 1
end

local function renew()
  redis.call('SET', KEYS[2], 1, 'PX', lasts)
  for i = 3, #KEYS do hold(KEYS[i], tonumber(ARGV[3 * i])) end
  return 1
end

if act == 'admit' then return admit() end
if act == 'done' then return done() end
return renew()
)lua";

}  // namespace

const redis::Script& limit_script() {
  static const redis::Script kScript(kLua);
  return kScript;
}

std::string shared_key(std::string_view installation, std::string_view name) {
  return fmt::format("{{tp:{}}}:{}", installation, name);
}

}  // namespace turnpike::limit
