#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/call_record.h"

namespace turnpike::journal {

/// One ledger row as it stands in the journal and, column by column, in table `entry`. Texts are views: into the call
/// record while it is written, into the payload when it is read.
enum class Text : std::uint16_t {
  RecordId,  // Left out when it equals the call id.
  CallId,
  ProviderRequestId,
  TraceId,
  Usage,  // JSON, only when the columns do not say it all.
  PriceVersion,
  Attempts,  // JSON, only when there were several.
  KeyHash,
  KeyAlias,
  TeamId,
  UserId,
  OrganizationId,
  EndUser,
  Tags,  // JSON.
  Route,
  RequestedModel,
  ModelGroup,
  Model,
  Provider,
  DeploymentId,
  ApiBase,
  ClientIp,
  UserAgent,
  ErrorKindName,
  ErrorText,
  EndReason,
};
constexpr std::size_t kTextCount = static_cast<std::size_t>(Text::EndReason) + 1;
std::string_view text_column(Text text);

struct EntryNumbers {  // Written as it lies in memory: 8-byte fields first, no padding.
  std::uint64_t entry_no = 0;
  std::uint64_t hold_id = 0;
  std::int64_t started_us = 0;
  std::int64_t first_byte_us = 0;
  std::int64_t ended_us = 0;
  std::int64_t upstream_us = 0;
  std::int64_t cost_nano = 0;
  std::int64_t saved_nano = 0;
  std::int64_t exposure_nano = 0;
  std::int64_t provider_cost_nano = INT64_MIN;  // INT64_MIN: the provider gave none.
  std::int64_t held_nano = 0;
  std::uint64_t marks = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t cache_read_tokens = 0;
  std::uint64_t cache_write_tokens = 0;
  std::uint64_t reasoning_tokens = 0;
  std::uint64_t request_bytes = 0;
  std::uint64_t reply_bytes = 0;
  std::int32_t http_status = 0;
  std::uint16_t retries = 0;
  std::uint16_t fallbacks = 0;
  std::uint8_t kind = 0;
  std::uint8_t status = 0;
  std::uint8_t operation = 0;
  std::uint8_t stream = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(EntryNumbers) == 19 * 8 + 16);

/// What it counts on accounts in tokens: all of the prompt, read from a cache or not, and all that was written.
inline std::int64_t tokens_of(const EntryNumbers& numbers) {
  return static_cast<std::int64_t>(numbers.prompt_tokens + numbers.completion_tokens);
}

/// Flat list: account, window, account, window, ...
constexpr std::size_t kAccountsMax = 32;
struct AccountPairs {
  std::array<std::int64_t, 2 * kAccountsMax> values{};
  std::size_t count = 0;      // Pairs.
  std::uint32_t covered = 0;  // Bit i: pair i is paid from this replica's lease; else it counts beside all leases.

  std::uint32_t tokens = 0;  // Bit i: pair i counts tokens (domain/caller_account.h), not money.

  bool is_covered(std::size_t i) const { return (covered >> i & 1) != 0; }
  bool counts_tokens(std::size_t i) const { return (tokens >> i & 1) != 0; }
};

struct EntryRow {
  EntryNumbers numbers;
  std::array<std::string_view, kTextCount> texts{};
  AccountPairs accounts;

  std::string_view& text(Text which) { return texts[static_cast<std::size_t>(which)]; }
  std::string_view text(Text which) const { return texts[static_cast<std::size_t>(which)]; }
  std::int64_t day() const;  // Unix day of started_us.
  /// What is booked on the account of pair i.
  std::int64_t booked_on(std::size_t i) const {
    return accounts.counts_tokens(i) ? tokens_of(numbers) : numbers.cost_nano;
  }
};

/// Texts that are made for the row and must outlive it.
struct RowTexts {
  std::string usage, attempts, tags;
};

/// The row of a finished call; entry number, hold and accounts are the ledger's to fill in.
EntryRow row_of(const domain::CallRecord& record, RowTexts& made);

void encode_row(const EntryRow& row, std::string& out);
/// Nothing when the payload is not a row of this version.
std::optional<EntryRow> decode_row(std::string_view payload);
/// Which entry a payload is: its number and the hold it has ended.
struct EntryId {
  std::uint64_t entry_no = 0;
  std::uint64_t hold_id = 0;
  auto operator<=>(const EntryId&) const = default;
};
std::optional<EntryId> entry_id_of(std::string_view payload);
/// What its call is known by everywhere; empty: a number that belongs to no call.
std::string_view record_id_of(const EntryRow& row);

std::string attempts_json(const domain::CallRecord& record);
std::string usage_json(const domain::Usage& usage, const domain::BilledAs& billed_as);
std::string accounts_json(const AccountPairs& accounts);

}  // namespace turnpike::journal
