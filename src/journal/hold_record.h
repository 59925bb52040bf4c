#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/id.h"
#include "base/money.h"
#include "journal/entry_row.h"
#include "journal/journal_format.h"

namespace turnpike::journal {

/// Payloads of the records about an open hold. HOLD is written once; the others name the hold by its id.
struct HoldFacts {
  std::uint64_t hold_id = 0;
  std::int64_t started_us = 0;
  Money amount;
  std::int64_t tokens = 0;  // Held on those of its accounts that count tokens.
  base::Id128 record_id;
  AccountPairs accounts;
  std::uint64_t prompt_tokens = 0;
  std::string_view call_id, key_hash, model_group;
};
void put_hold(std::string& out, const HoldFacts& facts);
std::optional<HoldFacts> read_hold(std::string_view payload);

void put_attempt(std::string& out, std::uint64_t hold_id, std::uint32_t number, std::string_view deployment_id,
                 std::string_view price_version);
void put_answer(std::string& out, std::uint64_t hold_id, std::uint32_t number, std::uint64_t prompt_tokens, Money cost);
void put_progress(std::string& out, std::uint64_t hold_id, std::uint64_t prompt_tokens, std::uint64_t completion_tokens,
                  Money cost);
void put_extend(std::string& out, std::uint64_t hold_id, Money more, std::int64_t more_tokens);

}  // namespace turnpike::journal
