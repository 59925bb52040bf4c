#include "journal/hold_record.h"

#include <cstring>

namespace turnpike::journal {

void put_hold(std::string& out, const HoldFacts& facts) {
  put_u64(out, facts.hold_id);
  put_u64(out, static_cast<std::uint64_t>(facts.started_us));
  put_u64(out, static_cast<std::uint64_t>(facts.amount.nano()));
  out.append(reinterpret_cast<const char*>(facts.record_id.bytes.data()), facts.record_id.bytes.size());
  put_u64(out, facts.prompt_tokens);
  put_u16(out, static_cast<std::uint16_t>(facts.accounts.count));
  out.append(reinterpret_cast<const char*>(facts.accounts.values.data()), 16 * facts.accounts.count);
  put_text(out, facts.call_id);
  put_text(out, facts.key_hash);
  put_text(out, facts.model_group);
  put_u32(out, facts.accounts.covered);
  if (facts.accounts.tokens == 0) return;
  put_u32(out, facts.accounts.tokens);
  put_u64(out, static_cast<std::uint64_t>(facts.tokens));
}

std::optional<HoldFacts> read_hold(std::string_view payload) {
  PayloadReader reader(payload);
  HoldFacts facts;
  facts.hold_id = reader.u64();
  facts.started_us = reader.i64();
  facts.amount = Money::from_nano(reader.i64());
  const std::string_view id = reader.bytes(facts.record_id.bytes.size());
  if (id.empty()) return std::nullopt;
  std::memcpy(facts.record_id.bytes.data(), id.data(), id.size());
  facts.prompt_tokens = reader.u64();
  facts.accounts.count = reader.u16();
  if (facts.accounts.count > kAccountsMax) return std::nullopt;
  const std::string_view pairs = reader.bytes(16 * facts.accounts.count);
  if (!pairs.empty()) std::memcpy(facts.accounts.values.data(), pairs.data(), pairs.size());
  facts.call_id = reader.text();
  facts.key_hash = reader.text();
  facts.model_group = reader.text();
  // Journals of before end here, and so do holds without accounts in tokens.
  if (!reader.done()) facts.accounts.covered = reader.u32();
  if (!reader.done()) {
    facts.accounts.tokens = reader.u32();
    facts.tokens = reader.i64();
  }
  if (reader.broken()) return std::nullopt;
  return facts;
}

void put_attempt(std::string& out, std::uint64_t hold_id, std::uint32_t number, std::string_view deployment_id,
                 std::string_view price_version) {
  put_u64(out, hold_id);
  put_u32(out, number);
  put_text(out, deployment_id);
  put_text(out, price_version);
}

void put_answer(std::string& out, std::uint64_t hold_id, std::uint32_t number, std::uint64_t prompt_tokens,
                Money cost) {
  put_u64(out, hold_id);
  put_u32(out, number);
  put_u64(out, prompt_tokens);
  put_u64(out, static_cast<std::uint64_t>(cost.nano()));
}

void put_progress(std::string& out, std::uint64_t hold_id, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                  Money cost) {
  put_u64(out, hold_id);
  put_u64(out, prompt_tokens);
  put_u64(out, completion_tokens);
  put_u64(out, static_cast<std::uint64_t>(cost.nano()));
}

void put_extend(std::string& out, std::uint64_t hold_id, Money more, std::int64_t more_tokens) {
  put_u64(out, hold_id);
  put_u64(out, static_cast<std::uint64_t>(more.nano()));
  if (more_tokens != 0) put_u64(out, static_cast<std::uint64_t>(more_tokens));
}

}  // namespace turnpike::journal
