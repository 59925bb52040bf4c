#include "fake_provider/account.h"

#include <fmt/core.h>

#include "json/write.h"

namespace turnpike::fake_provider {

void Account::Sums::add(const Tokens& tokens) {
  ++calls;
  prompt += static_cast<std::uint64_t>(tokens.prompt);
  cached += static_cast<std::uint64_t>(tokens.cached);
  completion += static_cast<std::uint64_t>(tokens.completion);
  reasoning += static_cast<std::uint64_t>(tokens.reasoning);
}

void Account::Sums::add(const Sums& other) {
  calls += other.calls;
  prompt += other.prompt;
  cached += other.cached;
  completion += other.completion;
  reasoning += other.reasoning;
}

Account::Account(std::size_t threads, std::size_t answers_max)
    : shards_(threads), answers_max_(answers_max / threads) {}

void Account::began(std::size_t thread) {
  Shard& shard = shards_[thread];
  const std::lock_guard lock(shard.mutex);
  ++shard.begun;
}

void Account::ended(std::size_t thread, Served how, int status, std::string_view key_label, std::string_view model,
                    std::string_view id, const Tokens& tokens) {
  Shard& shard = shards_[thread];
  const std::lock_guard lock(shard.mutex);
  ++shard.by_end[static_cast<std::size_t>(how)];
  ++shard.by_status[status];
  if (how != Served::Whole) return;
  shard.all.add(tokens);
  auto model_sums = shard.by_model.find(model);
  if (model_sums == shard.by_model.end()) model_sums = shard.by_model.emplace(std::string(model), Sums()).first;
  model_sums->second.add(tokens);
  auto key_sums = shard.by_key.find(key_label);
  if (key_sums == shard.by_key.end()) key_sums = shard.by_key.emplace(std::string(key_label), Sums()).first;
  key_sums->second.add(tokens);
  if (shard.answers.size() < answers_max_) shard.answers.push_back({std::string(id), std::string(model), tokens});
}

std::string Account::render() const {
  std::uint64_t begun = 0;
  std::uint64_t by_end[4] = {};
  std::map<int, std::uint64_t> by_status;
  std::map<std::string, Sums, std::less<>> by_model;
  std::map<std::string, Sums, std::less<>> by_key;
  Sums all;
  std::string answers;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    begun += shard.begun;
    for (std::size_t i = 0; i < 4; ++i) by_end[i] += shard.by_end[i];
    for (const auto& [status, count] : shard.by_status) by_status[status] += count;
    for (const auto& [model, sums] : shard.by_model) by_model[model].add(sums);
    for (const auto& [key, sums] : shard.by_key) by_key[key].add(sums);
    all.add(shard.all);
    for (const Answer& answer : shard.answers) {
      answers += fmt::format(R"({}{{"id":{},"model":{},"prompt_tokens":{},"cached_tokens":{},"completion_tokens":{}}})",
                             answers.empty() ? "" : ",", json::quoted(answer.id), json::quoted(answer.model),
                             answer.tokens.prompt, answer.tokens.cached, answer.tokens.completion);
    }
  }
  const auto sums_json = [](const Sums& sums) {
    return fmt::format(
        R"({{"calls":{},"prompt_tokens":{},"cached_tokens":{},"completion_tokens":{},"reasoning_tokens":{}}})",
        sums.calls, sums.prompt, sums.cached, sums.completion, sums.reasoning);
  };
  const auto map_json = [&](const std::map<std::string, Sums, std::less<>>& map) {
    std::string out = "{";
    for (const auto& [name, sums] : map) {
      if (out.size() > 1) out += ',';
      out += json::quoted(name) + ':' + sums_json(sums);
    }
    return out + "}";
  };
  std::string statuses;
  for (const auto& [status, count] : by_status) {
    statuses += fmt::format("{}\"{}\":{}", statuses.empty() ? "" : ",", status, count);
  }
  const std::uint64_t done = by_end[0] + by_end[1] + by_end[2] + by_end[3];
  return fmt::format(
      R"({{"calls":{},"open":{},"whole":{},"errors":{},"broken":{},"aborted":{},"by_status":{{{}}},"served":{},"by_model":{},"by_key":{},"answers":[{}]}})",
      begun, begun - done, by_end[0], by_end[1], by_end[2], by_end[3], statuses, sums_json(all), map_json(by_model),
      map_json(by_key), answers);
}

void Account::reset() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    // Calls still open keep counting as begun, so that `open` stays true.
    shard.begun -= shard.by_end[0] + shard.by_end[1] + shard.by_end[2] + shard.by_end[3];
    for (std::uint64_t& count : shard.by_end) count = 0;
    shard.by_status.clear();
    shard.by_model.clear();
    shard.by_key.clear();
    shard.all = Sums();
    shard.answers.clear();
  }
}

}  // namespace turnpike::fake_provider
