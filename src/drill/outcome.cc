#include "drill/outcome.h"

#include "base/text.h"
#include "json/document.h"

namespace turnpike::drill {

bool Entry::marked(std::string_view mark) const {
  for (const std::string_view one : base::split(marks, ',')) {
    if (one == mark) return true;
  }
  return false;
}

Result<Entry> read_entry(std::string_view json) {
  json::Document document;
  if (Status parsed = document.parse(json); !parsed) return base::fail(std::move(parsed.error()));
  json::Value row;
  std::size_t rows = 0;
  for (const json::Value element : document.root().elements()) {
    row = element;
    ++rows;
  }
  const json::Value own = row.find("turnpike");
  if (rows != 1 || !own)
    return base::fail(ErrorKind::InvalidRequest, "the ledger shows " + std::to_string(rows) + " rows");
  Entry entry;
  entry.success = row.find("status").inner() == "success";
  entry.http_status = static_cast<int>(own.find("http_status").whole().value_or(0));
  entry.marks = own.find("marks").text().value_or("");
  entry.prompt_tokens = row.find("prompt_tokens").whole().value_or(0);
  entry.completion_tokens = row.find("completion_tokens").whole().value_or(0);
  const Result<Money> spend = Money::parse(row.find("spend").raw());
  if (!spend) return base::fail(spend.error());
  entry.spend = *spend;
  for (const json::Value attempt : own.find("attempts").elements()) {
    BookedAttempt booked;
    booked.group = attempt.find("model_group").text().value_or("");
    booked.deployment_id = attempt.find("deployment_id").text().value_or("");
    booked.status = static_cast<int>(attempt.find("status").whole().value_or(0));
    booked.billed = attempt.find("billed").boolean().value_or(false);
    booked.cost = Money::from_nano(static_cast<std::int64_t>(attempt.find("cost_nano").whole().value_or(0)));
    entry.attempts.push_back(std::move(booked));
  }
  return entry;
}

}  // namespace turnpike::drill
