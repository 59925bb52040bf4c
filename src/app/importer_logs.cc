#include <algorithm>
#include <set>

#include "app/importer.h"
#include "domain/call_record.h"
#include "journal/entry_row.h"
#include "ledger/ship_batch.h"

namespace turnpike::app {
namespace {

using journal::Text;

constexpr std::string_view kLogTable = "LiteLLM_SpendLogs";
constexpr std::size_t kLogsAtOnce = 500;
/// The journal that the log counts as; its numbers say how far an import has come.
const char* const kJournal = "litellm-spend-logs";

/// What stands in a row, and must outlive it.
struct LogTexts {
  std::vector<std::pair<Text, std::string>> texts;
};

std::uint64_t count_of(const json::Value& value) {
  return value.whole().value_or(0);
}

domain::Operation operation_of(const std::string& call_type) {
  using domain::Operation;
  for (const Operation one : {Operation::Chat, Operation::Completion, Operation::Embedding, Operation::Rerank,
                              Operation::Moderation, Operation::ImageGeneration, Operation::ImageEdit,
                              Operation::Speech, Operation::Transcription, Operation::Translation}) {
    const std::string_view name = domain::operation_call_type(one);  // "acompletion"; the other one lacks the "a".
    if (call_type == name || (name.starts_with('a') && call_type == name.substr(1))) return one;
  }
  return Operation::Chat;
}

journal::EntryRow entry_of(const json::Value& log, std::uint64_t number, LogTexts& made) {
  journal::EntryRow row;
  journal::EntryNumbers& numbers = row.numbers;
  numbers.entry_no = number;
  numbers.started_us = time_of(log.find("startTime")).value_or(0);
  numbers.ended_us = time_of(log.find("endTime")).value_or(numbers.started_us);
  numbers.first_byte_us = time_of(log.find("completionStartTime")).value_or(0);
  numbers.cost_nano = money_of(log.find("spend")).value_or(Money()).nano();
  numbers.prompt_tokens = count_of(log.find("prompt_tokens"));
  numbers.completion_tokens = count_of(log.find("completion_tokens"));
  const bool failed = text_of(log.find("status")) == "failure";
  numbers.status = static_cast<std::uint8_t>(failed ? domain::EntryStatus::Failure : domain::EntryStatus::Success);
  numbers.http_status = failed ? 500 : 200;
  numbers.operation = static_cast<std::uint8_t>(operation_of(text_of(log.find("call_type"))));
  json::Document document;
  const std::string metadata = nested_json(log.find("metadata"));
  if (!metadata.empty() && document.parse(metadata)) {
    made.texts.emplace_back(Text::KeyAlias, text_of(document.root().find("user_api_key_alias")));
  }
  const std::pair<Text, const char*> kColumns[] = {{Text::CallId, "request_id"},
                                                   {Text::KeyHash, "api_key"},
                                                   {Text::TeamId, "team_id"},
                                                   {Text::UserId, "user"},
                                                   {Text::EndUser, "end_user"},
                                                   {Text::OrganizationId, "organization_id"},
                                                   {Text::ModelGroup, "model_group"},
                                                   {Text::RequestedModel, "model_group"},
                                                   {Text::Model, "model"},
                                                   {Text::Provider, "custom_llm_provider"},
                                                   {Text::DeploymentId, "model_id"},
                                                   {Text::ApiBase, "api_base"},
                                                   {Text::ClientIp, "requester_ip_address"}};
  for (const auto& [text, column] : kColumns) made.texts.emplace_back(text, text_of(log.find(column)));
  const std::string tags = nested_json(log.find("request_tags"));
  if (tags.starts_with('[') && tags != "[]") made.texts.emplace_back(Text::Tags, tags);
  for (const auto& [text, value] : made.texts) row.text(text) = value;
  return row;
}

/// How far an earlier run has come: rows come in the order of their time.
struct LastLog {
  std::int64_t started_us = -1;
  std::set<std::string> at_that_time;  // Several may have begun at once.

  bool covers(std::int64_t start_us, const std::string& id) const {
    return start_us < started_us || (start_us == started_us && at_that_time.contains(id));
  }
};

Result<LastLog> last_log(db::Database& target, const ledger::ReplicaRow& replica) {
  LastLog last;
  if (replica.shipped_no == 0) return last;
  Status read = target.read_now([&](db::Transaction& transaction) -> Status {
    const auto rows = transaction.run(
        "SELECT started_us, call_id FROM entry WHERE replica_no = $1 AND started_us = (SELECT max(started_us) FROM "
        "entry WHERE replica_no = $1)",
        {replica.replica_no});
    if (!rows) return base::fail(rows.error());
    last = {};
    for (const db::Row& row : rows->rows) {
      last.started_us = db::as_int(row.at(0));
      last.at_that_time.insert(db::as_text(row.at(1)));
    }
    return {};
  });
  if (!read) return base::fail(std::move(read.error()));
  return last;
}

}  // namespace

Status Importer::copy_spend_logs(const std::string& host) {
  ImportCount& count = begin_count(std::string(kLogTable));
  Result<ledger::ReplicaRow> replica = ledger::ReplicaRow{};
  if (!parts_.dry_run) {
    replica = ledger::find_replica(*parts_.target, kJournal, host, TURNPIKE_VERSION);
    if (!replica) return base::fail(std::move(replica.error()));
    ++replica->epoch;
    if (Status known = ledger::register_epoch(*parts_.target, *replica, host, TURNPIKE_VERSION); !known) return known;
  }
  std::uint64_t number = replica->shipped_no;
  std::vector<std::string> payloads;
  const auto ship = [&]() -> Status {
    if (payloads.empty() || parts_.dry_run) return {};
    ledger::ShipBatch batch;
    batch.replica = *replica;
    batch.last_no = number;
    batch.first_no = number - payloads.size() + 1;
    for (const std::string& payload : payloads) batch.payloads.emplace_back(payload);
    const Result<ledger::ShipOutcome> outcome = ledger::ship_batch(*parts_.target, batch);
    if (!outcome) return base::fail(outcome.error());
    if (outcome->kind != ledger::ShipOutcome::Kind::Stored)
      return base::fail(ErrorKind::Unavailable, "another import of spend logs has begun");
    payloads.clear();
    return {};
  };
  const Result<LastLog> last = last_log(*parts_.target, *replica);
  if (!last) return base::fail(last.error());
  const auto take = [&](const json::Value& row) -> Status {
    const Money cost = money_of(row.find("spend")).value_or(Money());
    count.add_found(cost);
    if (last->covers(time_of(row.find("startTime")).value_or(0), text_of(row.find("request_id")))) {
      count.add_there(cost);
      return {};
    }
    count.add_made(cost);
    if (parts_.dry_run) return {};
    LogTexts texts;
    texts.texts.reserve(20);
    payloads.emplace_back();
    journal::encode_row(entry_of(row, ++number, texts), payloads.back());
    return payloads.size() < kLogsAtOnce ? Status{} : ship();
  };
  Status read = parts_.source->each(kLogTable, {"startTime", "request_id"}, take);
  if (!read) return read;
  return ship();
}

}  // namespace turnpike::app
