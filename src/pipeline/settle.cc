#include <algorithm>

#include "json/document.h"
#include "pipeline/call.h"
#include "pipeline/counting.h"
#include "pipeline/limits.h"
#include "price/bill.h"

namespace turnpike::pipeline {
namespace {

/// The same of an operation that writes no text: by what was asked for. Exact where the model is priced by just that.
Task<domain::Usage> measured_usage(Call& call, const router::Deployment& deployment) {
  const price::Prices& prices = prices_of(deployment);
  if (prices.free()) co_return domain::Usage{};
  domain::Usage usage = expected_usage(call, 1, prices);
  if (usage.of(domain::Unit::InputTokens) > 0) {
    usage.set(domain::Unit::InputTokens, (co_await count_prompt(call, deployment.target.model)).tokens);
  }
  const bool by_request = usage.of(domain::Unit::Characters) > 0 || usage.of(domain::Unit::Images) > 0;
  const bool by_reply = usage.of(domain::Unit::Milliseconds) > 0 && call.request.measures.audio_said;
  usage.estimated = !by_request && !by_reply;
  co_return usage;
}

/// Counted usage where the provider's is missing: the request by the tokenizer, the output by what was received.
Task<domain::Usage> counted_usage(Call& call, const router::Deployment& deployment, std::string_view output_text,
                                  std::uint64_t output_bytes) {
  domain::Usage usage;
  usage.estimated = true;
  const domain::Operation operation = call.request.operation;
  if (!domain::writes_text(operation) && operation != domain::Operation::Embedding) {
    co_return co_await measured_usage(call, deployment);
  }
  usage.set(domain::Unit::InputTokens, (co_await count_prompt(call, deployment.target.model)).tokens);
  if (operation != domain::Operation::Embedding) {
    usage.set(domain::Unit::OutputTokens,
              co_await count_output(call, deployment.target.model, output_text, output_bytes));
  }
  co_return usage;
}

/// Counts the side of a usage that the provider left out.
Task<void> complete_usage(Call& call, const router::Deployment& deployment, domain::Usage& usage,
                          std::string_view output_text, std::uint64_t output_bytes) {
  if (usage.input_unsaid) {
    usage.set(domain::Unit::InputTokens, (co_await count_prompt(call, deployment.target.model)).tokens);
    usage.estimated = true;
  }
  if (usage.output_unsaid && domain::writes_text(call.request.operation)) {
    usage.set(domain::Unit::OutputTokens,
              co_await count_output(call, deployment.target.model, output_text, output_bytes));
    usage.estimated = true;
  }
}

/// The size of the context that searches of the web were asked to have.
price::PriceField asked_search(const Call& call) {
  json::Document document;
  if (!document.parse(call.request.body)) return price::parse_search_size({});
  return price::parse_search_size(document.root().find("web_search_options").find("search_context_size").inner());
}

/// The terms as the entry tells them, so that the bill can be made again.
domain::BilledAs billed_as(const Call& call, const domain::Usage& usage, const price::BillTerms& terms) {
  constexpr std::size_t kQualityBytesMax =
      64;  // No price list has such a word, and all that it does not have cost the same.
  domain::BilledAs made;
  made.service_tier = price::service_tier_name(terms.service);
  if (usage.of(domain::Unit::Queries) > 0) made.search_size = price::search_size_name(terms.search);
  if (usage.of(domain::Unit::Images) > 0 && domain::makes_images(call.request.operation)) {
    const domain::Measures& asked = call.request.measures;
    made.image = true;
    made.image_width = asked.width;
    made.image_height = asked.height;
    made.image_quality = asked.quality.size() <= kQualityBytesMax ? asked.quality : "other";
  }
  return made;
}

/// Providers whose own figure is believed before ours.
bool is_trusted(std::string_view provider) {
  return provider == "openrouter" || provider == "perplexity" || provider == "deepinfra";
}

}  // namespace

Task<void> bill_attempt(AdmittedCall& admitted, std::size_t at, const router::Deployment& deployment,
                        std::optional<domain::Usage> reported, std::string_view service_tier,
                        std::string_view output_text, std::uint64_t output_bytes) {
  Call& call = admitted.call;
  // Zeros count where a dialect gave them out: it has looked whether they were meant.
  const bool zeros =
      reported && domain::writes_text(call.request.operation) && !reported->input_unsaid && !reported->output_unsaid;
  const bool said = reported && (!reported->empty() || zeros);
  domain::Usage usage;
  if (said) {
    usage = std::move(*reported);
    if (usage.input_unsaid || usage.output_unsaid)
      co_await complete_usage(call, deployment, usage, output_text, output_bytes);
  } else {
    usage = co_await counted_usage(call, deployment, output_text, output_bytes);
  }
  const price::Prices& prices = prices_of(deployment);
  domain::Attempt& entry = call.record.attempts[at];
  price::BillTerms terms = bill_terms(call, prices, service_tier);
  if (usage.of(domain::Unit::Queries) > 0) terms.search = asked_search(call);
  const std::int64_t ended_us = entry.ended_us != 0 ? entry.ended_us : base::unix_now_us();
  price::add_own_units(usage, prices,
                       static_cast<std::uint64_t>(std::max<std::int64_t>(ended_us - entry.started_us, 0)) / 1000);
  price::Bill bill = price::bill(prices, usage, terms);
  if (usage.provider_cost_nano && is_trusted(deployment.target.provider->name)) {
    if (!bill.unknown) usage.list_cost_nano = bill.cost.nano();
    bill = {.cost = Money::from_nano(*usage.provider_cost_nano)};
    call.record.marks |= domain::kProviderCost;
  }
  if (usage.estimated) call.record.marks |= domain::kEstimated;
  if (bill.unknown || bill.partial) call.record.marks |= domain::kCostUnknown;
  if (bill.unknown && deployment.target.self_hosted) call.record.marks |= domain::kSelfHosted;
  if (bill.free) call.record.marks |= domain::kFree;
  entry.billed = true;
  entry.billed_as = billed_as(call, usage, terms);
  entry.cost = bill.cost;
  entry.usage = std::move(usage);
  const bool whole = said && !entry.usage.estimated && !entry.usage.empty();
  if (whole && entry.status >= 200 && entry.status < 300) learn(admitted, deployment, entry.usage, entry.cost);
}

Money billed_cost(const domain::CallRecord& record) {
  Money cost;
  for (const domain::Attempt& entry : record.attempts) {
    if (entry.billed) cost += entry.cost;
  }
  return cost;
}

void journal_billed(AdmittedCall& admitted, std::size_t at) {
  const domain::CallRecord& record = admitted.call.record;
  const domain::Usage& usage = record.attempts[at].usage;
  admitted.hold.progress(usage.prompt_tokens(), usage.completion_tokens(), billed_cost(record));
}

Task<Status> check_stream_budget(AdmittedCall& admitted, const router::Deployment& deployment,
                                 const protocol::ReplyStream& stream) {
  Call& call = admitted.call;
  const config::TurnpikeSettings& ours = call.settings().turnpike;
  const auto is_strict = [](const ledger::WindowRef& window) { return window->account.strict.load(); };
  const bool strict =
      ours.budget_mode == config::BudgetMode::Strict || std::ranges::any_of(admitted.hold.windows(), is_strict);
  if (!strict || ours.stream_over_budget != config::StreamOverBudget::Cut) co_return Status{};
  domain::Usage so_far;
  so_far.set(domain::Unit::InputTokens, admitted.expected.prompt_tokens);
  so_far.set(domain::Unit::OutputTokens,
             co_await count_output(call, deployment.target.model, stream.text_for_count(), stream.text_bytes()));
  const Money cost = billed_cost(call.record) + price::bill(prices_of(deployment), so_far).cost;
  const ledger::Amounts beyond = ledger::Amounts{cost, so_far.tokens()} - admitted.hold.amount();
  for (const ledger::WindowRef& window : admitted.hold.windows()) {
    const bool counts = ours.budget_mode == config::BudgetMode::Strict || is_strict(window);
    if (!counts || window->account.limit.load() < 0 || window->left_nano() >= beyond.on(window->account)) continue;
    Error error;
    error.kind = ErrorKind::BudgetSpent;
    error.type = "budget_exceeded";
    error.code = "budget_spent";
    error.message =
        "Budget has been exceeded! The stream has used up what was left and was ended here "
        "(turnpike.stream_over_budget: cut).";
    co_return base::fail(std::move(error));
  }
  co_return Status{};
}

void settle(AdmittedCall& admitted, domain::EntryStatus status) {
  domain::CallRecord& record = admitted.call.record;
  record.status = status;
  record.ended_us = base::unix_now_us();
  record.cost = billed_cost(record);
  if (!record.attempts.empty() && (record.attempts.back().billed || (record.marks & domain::kMocked) != 0)) {
    record.usage = record.attempts.back().usage;
  }
  if (admitted.call.hedge) admitted.call.hedge->booked(record.cost);
  settle_limits(admitted);
  std::move(admitted.hold).settle(record);
}

}  // namespace turnpike::pipeline
