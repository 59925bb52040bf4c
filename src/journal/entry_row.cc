#include "journal/entry_row.h"

#include <cstring>

#include "base/clock.h"
#include "base/utf8.h"
#include "journal/journal_format.h"
#include "json/write.h"

namespace turnpike::journal {
namespace {

using domain::Unit;

constexpr std::uint16_t kRowVersion = 1;
constexpr std::uint16_t kAccountsTag = 1000;
constexpr std::uint16_t kCoveredTag = kAccountsTag + 1;
constexpr std::uint16_t kTokensTag = kAccountsTag + 2;
constexpr std::size_t kTextBytesMax = 16 * 1024;  // One text of a row; longer ones are cut.
constexpr std::size_t kJsonBytesMax = 60 * 1024;

constexpr std::string_view kColumns[kTextCount] = {
    "record_id",       "call_id",       "provider_request_id",
    "trace_id",        "usage",         "price_version",
    "attempts",        "key_hash",      "key_alias",
    "team_id",         "user_id",       "organization_id",
    "end_user",        "tags",          "route",
    "requested_model", "model_group",   "model",
    "provider",        "deployment_id", "api_base",
    "client_ip",       "user_agent",    "error_kind",
    "error_text",      "end_reason",
};

/// What the token columns cannot say.
bool needs_usage_json(const domain::Usage& usage, const domain::BilledAs& billed_as) {
  if (usage.list_cost_nano || !billed_as.service_tier.empty()) return true;  // Images and searches are units.
  for (const domain::UnitCount& item : usage.counts) {
    switch (item.unit) {
      case Unit::InputTokens:
      case Unit::CachedInputTokens:
      case Unit::CacheWriteTokens:
      case Unit::OutputTokens:
      case Unit::ReasoningTokens:
        break;
      default:
        return true;
    }
  }
  return false;
}

}  // namespace

std::string_view text_column(Text text) {
  return kColumns[static_cast<std::size_t>(text)];
}

std::int64_t EntryRow::day() const {
  return numbers.started_us / base::kDayUs;
}

std::string usage_json(const domain::Usage& usage, const domain::BilledAs& billed_as) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const domain::UnitCount& item : usage.counts) writer.key(domain::unit_name(item.unit)).number(item.count);
  if (usage.list_cost_nano) writer.key("list_cost_nano").number(*usage.list_cost_nano);
  if (!billed_as.service_tier.empty()) writer.key("service_tier").string(billed_as.service_tier);
  if (!billed_as.search_size.empty()) writer.key("search_size").string(billed_as.search_size);
  if (billed_as.image) {
    writer.key("image_quality").string(billed_as.image_quality);
    writer.key("image_width").number(std::uint64_t{billed_as.image_width});
    writer.key("image_height").number(std::uint64_t{billed_as.image_height});
  }
  writer.end_object();
  return out;
}

std::string attempts_json(const domain::CallRecord& record) {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const domain::Attempt& attempt : record.attempts) {
    writer.begin_object();
    writer.key("model_group").string(attempt.model_group);
    writer.key("deployment_id").string(attempt.deployment_id);
    writer.key("provider").string(attempt.provider);
    writer.key("model").string(attempt.model);
    writer.key("api_base").string(attempt.api_base);
    writer.key("status").number(std::int64_t{attempt.status});
    if (attempt.error) writer.key("error").string(domain::kind_name(*attempt.error));
    if (!attempt.error_text.empty()) writer.key("error_text").string(attempt.error_text);
    writer.key("started_us").number(attempt.started_us);
    writer.key("ended_us").number(attempt.ended_us);
    writer.key("billed").boolean(attempt.billed);
    writer.key("cost_nano").number(attempt.cost.nano());
    writer.key("usage").raw(usage_json(attempt.usage, attempt.billed_as));
    writer.end_object();
  }
  writer.end_array();
  return out;
}

std::string accounts_json(const AccountPairs& accounts) {
  std::string out = "[";
  for (std::size_t i = 0; i < 2 * accounts.count; ++i) {
    if (i > 0) out.push_back(',');
    out += std::to_string(accounts.values[i]);
  }
  out.push_back(']');
  return out;
}

EntryRow row_of(const domain::CallRecord& record, RowTexts& made) {
  EntryRow row;
  EntryNumbers& numbers = row.numbers;
  numbers.started_us = record.started_us;
  numbers.first_byte_us = record.first_byte_us;
  numbers.ended_us = record.ended_us;
  numbers.upstream_us = record.upstream_us;
  numbers.cost_nano = record.cost.nano();
  if (record.usage.provider_cost_nano) numbers.provider_cost_nano = *record.usage.provider_cost_nano;
  numbers.marks = record.marks;
  numbers.prompt_tokens = record.usage.prompt_tokens();
  numbers.completion_tokens = record.usage.completion_tokens();
  numbers.cache_read_tokens = record.usage.of(Unit::CachedInputTokens);
  numbers.cache_write_tokens = record.usage.of(Unit::CacheWriteTokens) + record.usage.of(Unit::CacheWrite1hTokens);
  numbers.reasoning_tokens = record.usage.of(Unit::ReasoningTokens);
  numbers.request_bytes = record.request_bytes;
  numbers.reply_bytes = record.reply_bytes;
  numbers.http_status = record.http_status;
  numbers.retries = static_cast<std::uint16_t>(record.retries);
  numbers.fallbacks = static_cast<std::uint16_t>(record.fallbacks);
  numbers.status = static_cast<std::uint8_t>(record.status);
  numbers.operation = static_cast<std::uint8_t>(record.operation);
  numbers.stream = record.stream ? 1 : 0;

  if (record.record_id != record.call_id) row.text(Text::RecordId) = record.record_id;
  row.text(Text::CallId) = record.call_id;
  row.text(Text::ProviderRequestId) = record.provider_request_id;
  row.text(Text::TraceId) = record.trace_id;
  if (record.caller) {
    row.text(Text::KeyHash) = record.caller->key_hash_hex;
    row.text(Text::KeyAlias) = record.caller->key_alias;
    row.text(Text::TeamId) = record.caller->team_id;
    row.text(Text::UserId) = record.caller->user_id;
    row.text(Text::OrganizationId) = record.caller->organization_id;
  }
  row.text(Text::EndUser) = record.end_user;
  row.text(Text::Route) = record.route;
  row.text(Text::RequestedModel) = record.requested_model;
  row.text(Text::ModelGroup) = record.model_group;
  row.text(Text::ClientIp) = record.client_ip;
  row.text(Text::UserAgent) = record.user_agent;
  if (record.error) row.text(Text::ErrorKindName) = domain::kind_name(*record.error);
  row.text(Text::ErrorText) = record.error_text;
  row.text(Text::EndReason) = record.end_reason;
  if (!record.attempts.empty()) {
    const domain::Attempt& last = record.attempts.back();
    row.text(Text::Model) = last.model;
    row.text(Text::Provider) = last.provider;
    row.text(Text::DeploymentId) = last.deployment_id;
    row.text(Text::ApiBase) = last.api_base;
  }
  // One that went well says nothing that the row does not say already.
  const bool plain = record.attempts.empty() || (record.attempts.size() == 1 && !record.attempts.front().error);
  if (!plain) row.text(Text::Attempts) = made.attempts = attempts_json(record);
  const domain::BilledAs billed_as = record.attempts.empty() ? domain::BilledAs() : record.attempts.back().billed_as;
  if (needs_usage_json(record.usage, billed_as))
    row.text(Text::Usage) = made.usage = usage_json(record.usage, billed_as);
  if (!record.tags.empty()) {
    json::Writer writer(made.tags);
    writer.begin_array();
    for (const std::string& tag : record.tags) writer.string(tag);
    writer.end_array();
    row.text(Text::Tags) = made.tags;
  }
  return row;
}

void encode_row(const EntryRow& row, std::string& out) {
  char numbers[sizeof row.numbers];
  std::memcpy(numbers, &row.numbers, sizeof row.numbers);
  out.append(numbers, sizeof numbers);
  put_u16(out, kRowVersion);
  put_u16(out, kAccountsTag);
  put_u16(out, static_cast<std::uint16_t>(16 * row.accounts.count));
  out.append(reinterpret_cast<const char*>(row.accounts.values.data()), 16 * row.accounts.count);
  const auto put_mask = [&out](std::uint16_t tag, std::uint32_t mask) {
    if (mask == 0) return;
    put_u16(out, tag);
    put_u16(out, sizeof mask);
    put_u32(out, mask);
  };
  put_mask(kCoveredTag, row.accounts.covered);
  put_mask(kTokensTag, row.accounts.tokens);
  for (std::size_t i = 0; i < kTextCount; ++i) {
    if (row.texts[i].empty()) continue;
    const auto which = static_cast<Text>(i);
    const bool is_json = which == Text::Usage || which == Text::Attempts || which == Text::Tags;
    if (is_json && row.texts[i].size() > kJsonBytesMax) continue;  // Half a JSON text is worse than none.
    put_u16(out, static_cast<std::uint16_t>(i));
    const std::string_view text = is_json ? row.texts[i] : row.texts[i].substr(0, kTextBytesMax);
    if (base::storable_prefix(text) == text.size()) {
      put_text(out, text);
    } else {
      put_text(out, base::storable_text(text));  // A header of the caller, or a cut inside a character.
    }
  }
}

std::optional<EntryRow> decode_row(std::string_view payload) {
  PayloadReader reader(payload);
  EntryRow row;
  const std::string_view numbers = reader.bytes(sizeof row.numbers);
  if (numbers.empty() || reader.u16() != kRowVersion) return std::nullopt;
  std::memcpy(&row.numbers, numbers.data(), sizeof row.numbers);
  while (!reader.done()) {
    const std::uint16_t tag = reader.u16();
    const std::string_view value = reader.text();
    if (tag == kAccountsTag) {
      row.accounts.count = std::min(value.size() / 16, kAccountsMax);
      if (!value.empty()) std::memcpy(row.accounts.values.data(), value.data(), 16 * row.accounts.count);
    } else if (tag == kCoveredTag) {
      row.accounts.covered = PayloadReader(value).u32();
    } else if (tag == kTokensTag) {
      row.accounts.tokens = PayloadReader(value).u32();
    } else if (tag < kTextCount) {
      row.texts[tag] = value;  // Other tags: a newer version's, read past.
    }
  }
  if (reader.broken()) return std::nullopt;
  return row;
}

std::optional<EntryId> entry_id_of(std::string_view payload) {
  if (payload.size() < sizeof(EntryNumbers)) return std::nullopt;
  EntryId id;
  static_assert(offsetof(EntryNumbers, entry_no) == 0 && offsetof(EntryNumbers, hold_id) == sizeof id.entry_no);
  std::memcpy(&id.entry_no, payload.data(), sizeof id.entry_no);
  std::memcpy(&id.hold_id, payload.data() + sizeof id.entry_no, sizeof id.hold_id);
  return id;
}

std::string_view record_id_of(const EntryRow& row) {
  const std::string_view own = row.text(Text::RecordId);
  return own.empty() ? row.text(Text::CallId) : own;
}

}  // namespace turnpike::journal
