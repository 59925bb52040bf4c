#include "fake_provider/account.h"

#include <fmt/core.h>

#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

template <class T>
T& entry_of(std::map<std::string, T, std::less<>>& map, std::string_view name) {
  const auto found = map.find(name);
  return found != map.end() ? found->second : map.emplace(std::string(name), T()).first->second;
}

void book(Statement& statement, const EndedCall& call) {
  ++statement.by_status[call.status];
  switch (call.how) {
    case Served::Whole:
      ++statement.whole;
      statement.served.add(call.tokens);
      return;
    case Served::Error:
      ++statement.errors;
      return;
    case Served::Broken:
      ++statement.broken;
      break;
    case Served::Aborted:
      ++statement.aborted;
      break;
  }
  if (call.begun_answer) statement.unfinished.add(call.tokens);
}

/// Calls still open keep counting, so that `open` stays true.
void keep_open(Statement& statement) {
  const std::uint64_t open = statement.open();
  statement = Statement();
  statement.calls = open;
}

std::string sums_json(const TokenSums& sums) {
  return fmt::format(
      R"({{"calls":{},"prompt_tokens":{},"cached_tokens":{},"completion_tokens":{},"reasoning_tokens":{}}})",
      sums.calls, sums.prompt, sums.cached, sums.completion, sums.reasoning);
}

/// The members of a statement, without its braces.
std::string members_of(const Statement& statement) {
  std::string statuses;
  for (const auto& [status, count] : statement.by_status) {
    statuses += fmt::format("{}\"{}\":{}", statuses.empty() ? "" : ",", status, count);
  }
  return fmt::format(
      R"("calls":{},"open":{},"whole":{},"errors":{},"broken":{},"aborted":{},"by_status":{{{}}},"served":{},"unfinished":{})",
      statement.calls, statement.open(), statement.whole, statement.errors, statement.broken, statement.aborted,
      statuses, sums_json(statement.served), sums_json(statement.unfinished));
}

template <class T, class Format>
std::string map_json(const std::map<std::string, T, std::less<>>& map, Format format) {
  std::string out = "{";
  for (const auto& [name, value] : map) {
    if (out.size() > 1) out += ',';
    out += json::quoted(name) + ':' + format(value);
  }
  return out + "}";
}

}  // namespace

void TokenSums::add(const Tokens& tokens) {
  ++calls;
  prompt += static_cast<std::uint64_t>(tokens.prompt);
  cached += static_cast<std::uint64_t>(tokens.cached);
  completion += static_cast<std::uint64_t>(tokens.completion);
  reasoning += static_cast<std::uint64_t>(tokens.reasoning);
}

void TokenSums::add(const TokenSums& other) {
  calls += other.calls;
  prompt += other.prompt;
  cached += other.cached;
  completion += other.completion;
  reasoning += other.reasoning;
}

void Statement::add(const Statement& other) {
  calls += other.calls;
  whole += other.whole;
  errors += other.errors;
  broken += other.broken;
  aborted += other.aborted;
  for (const auto& [status, count] : other.by_status) by_status[status] += count;
  served.add(other.served);
  unfinished.add(other.unfinished);
}

std::string FullStatement::to_json() const {
  std::string list;
  for (const ServedAnswer& answer : answers) {
    list += fmt::format(
        R"({}{{"id":{},"model":{},"label":{},"prompt_tokens":{},"cached_tokens":{},"completion_tokens":{}}})",
        list.empty() ? "" : ",", json::quoted(answer.id), json::quoted(answer.model), json::quoted(answer.label),
        answer.tokens.prompt, answer.tokens.cached, answer.tokens.completion);
  }
  const auto statement_json = [](const Statement& statement) { return "{" + members_of(statement) + "}"; };
  return fmt::format(R"({{{},"by_model":{},"by_key":{},"by_label":{},"answers":[{}]}})", members_of(*this),
                     map_json(by_model, sums_json), map_json(by_key, sums_json), map_json(by_label, statement_json),
                     list);
}

Account::Account(std::size_t threads, std::size_t answers_max)
    : shards_(threads), answers_max_(answers_max / threads) {}

void Account::began(std::size_t thread, std::string_view label) {
  Shard& shard = shards_[thread];
  const std::lock_guard lock(shard.mutex);
  ++shard.booked.calls;
  if (!label.empty()) ++entry_of(shard.booked.by_label, label).calls;
}

void Account::ended(std::size_t thread, const EndedCall& call) {
  Shard& shard = shards_[thread];
  const std::lock_guard lock(shard.mutex);
  book(shard.booked, call);
  if (!call.label.empty()) book(entry_of(shard.booked.by_label, call.label), call);
  if (call.how != Served::Whole) return;
  entry_of(shard.booked.by_model, call.model).add(call.tokens);
  entry_of(shard.booked.by_key, call.key_label).add(call.tokens);
  if (shard.booked.answers.size() < answers_max_) {
    shard.booked.answers.push_back(
        {std::string(call.id), std::string(call.model), std::string(call.label), call.tokens});
  }
}

FullStatement Account::state() const {
  FullStatement all;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    const FullStatement& booked = shard.booked;
    all.add(booked);
    for (const auto& [model, sums] : booked.by_model) all.by_model[model].add(sums);
    for (const auto& [key, sums] : booked.by_key) all.by_key[key].add(sums);
    for (const auto& [label, statement] : booked.by_label) all.by_label[label].add(statement);
    all.answers.insert(all.answers.end(), booked.answers.begin(), booked.answers.end());
  }
  return all;
}

void Account::reset() {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    keep_open(shard.booked);
    for (auto& [label, statement] : shard.booked.by_label) keep_open(statement);
    shard.booked.by_model.clear();
    shard.booked.by_key.clear();
    shard.booked.answers.clear();
  }
}

}  // namespace turnpike::fake_provider
