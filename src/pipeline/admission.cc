#include <algorithm>
#include <span>

#include "journal/entry_row.h"
#include "pipeline/call.h"
#include "pipeline/counting.h"
#include "pipeline/limits.h"
#include "pipeline/own_call.h"
#include "price/bill.h"
#include "price/estimate.h"
#include "price/operation_usage.h"

namespace turnpike::pipeline {
namespace {

price::Estimator::Settings estimator_settings(const config::TurnpikeSettings& ours) {
  price::Estimator::Settings settings;
  settings.quantile = ours.hold_quantile;
  settings.output_tokens_max = static_cast<std::uint64_t>(ours.hold_output_tokens_max);
  settings.output_prior = static_cast<std::uint64_t>(ours.hold_output_prior);
  return settings;
}

/// Where a call may bring or ask for more than text: strict holds are dearer then.
bool may_hold_media(std::string_view body) {
  return body.find("audio") != std::string_view::npos || body.find("image") != std::string_view::npos;
}

/// Whether what calls of a kind use is learned from the calls before: what their measures say is known already.
bool learns(domain::Operation operation) {
  return domain::writes_text(operation) || operation == domain::Operation::Embedding;
}

/// What this call costs on one deployment, and how many tokens, if it goes as expected (strict: at worst).
ledger::Amounts expected_amounts(const Call& call, const Expectation& expected, const price::Prices& prices) {
  constexpr std::uint64_t kExpectedMilliseconds = 10'000;  // Of a call to a model charged by time.
  if (!learns(call.request.operation)) {
    const domain::Usage usage = expected_usage(call, expected.prompt_tokens, prices, expected.strict);
    return {price::held_for(prices, usage, bill_terms(call, prices, call.request.service_tier)), usage.tokens()};
  }
  const bool embedding = call.request.operation == domain::Operation::Embedding;
  price::BillTerms terms;
  terms.service = price::parse_service_tier(call.request.service_tier);
  if (expected.strict) {
    // Without the caller's limit and the model's, only a guess is left, and the larger of two is taken.
    const auto guess = static_cast<std::uint64_t>(call.settings().turnpike.hold_output_tokens_max);
    const std::uint64_t model_cap =
        prices.max_output_tokens != 0 ? prices.max_output_tokens : std::max(expected.output_tokens, guess);
    const std::uint64_t asked = call.request.output_tokens_max.value_or(model_cap);
    price::WorstCase worst;
    worst.prompt_tokens = expected.prompt_tokens;
    worst.messages = expected.messages;
    worst.output_cap =
        embedding ? 0 : (prices.max_output_tokens != 0 ? std::min(asked, model_cap) : asked) * call.request.choices;
    worst.milliseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(call.total.count(), 0));
    worst.media = may_hold_media(call.request.body);
    return {price::hold_amount_strict(prices, worst, terms), static_cast<std::int64_t>(price::worst_tokens(worst))};
  }
  price::Estimator::Estimate estimate;
  estimate.prompt_tokens = expected.prompt_tokens;
  estimate.output_tokens = embedding ? 0 : expected.output_tokens;
  estimate.input_factor = expected.input_factor;
  estimate.milliseconds = kExpectedMilliseconds;
  return {price::hold_amount(prices, estimate, terms),
          static_cast<std::int64_t>(estimate.prompt_tokens + estimate.output_tokens)};
}

bool budget_applies(std::span<const ledger::WindowRef> windows) {
  return std::any_of(windows.begin(), windows.end(),
                     [](const ledger::WindowRef& window) { return window->account.limit.load() >= 0; });
}

/// One in tokens asks for no price.
bool money_budget_applies(std::span<const ledger::WindowRef> windows) {
  return std::any_of(windows.begin(), windows.end(), [](const ledger::WindowRef& window) {
    return !window->account.in_tokens && window->account.limit.load() >= 0;
  });
}

bool has_strict(std::span<const ledger::WindowRef> windows) {
  return std::any_of(windows.begin(), windows.end(), [](const ledger::WindowRef& window) {
    return window->account.strict.load(std::memory_order_relaxed) && window->account.limit.load() >= 0;
  });
}

/// Within a fifth of a limit an estimate by length is not good enough: media and long words would be refused for it.
bool is_near_limit(std::span<const ledger::WindowRef> windows, const ledger::Amounts& amount) {
  return std::any_of(windows.begin(), windows.end(), [&](const ledger::WindowRef& window) {
    const std::int64_t limit = window->account.limit.load(std::memory_order_relaxed);
    return limit > 0 && window->left_nano() - amount.on(window->account) < limit / 5;
  });
}

/// Whether what such a call uses has a price; prices of other things (an image, a search) do not make it so.
bool has_price(const Call& call, const price::Prices& prices) {
  if (!learns(call.request.operation)) {
    const domain::Usage usage = expected_usage(call, 1, prices);
    return price::bill_grains(prices, usage, bill_terms(call, prices, {})) >= 0 && (prices.known() || !usage.empty());
  }
  const bool answers = call.request.operation != domain::Operation::Embedding;
  if (prices.find(price::PriceField::Input).known() && (!answers || prices.find(price::PriceField::Output).known())) {
    return true;
  }
  domain::Usage usage;
  usage.set(domain::Unit::InputTokens, 1);
  if (answers) usage.set(domain::Unit::OutputTokens, 1);
  price::add_own_units(usage, prices, 1);
  return price::bill_grains(prices, usage) >= 0;
}

/// AC-PRICE-3: nobody spends an unknown amount of a budget in dollars, except on machines that are the operator's own.
Status check_price(const Call& call, const router::Deployment& deployment, bool budgeted) {
  const price::Prices& prices = prices_of(deployment);
  if (!budgeted || has_price(call, prices)) return {};
  const config::TurnpikeSettings& ours = call.settings().turnpike;
  if (ours.unknown_price == config::UnknownPrice::Allow) return {};
  if (deployment.target.self_hosted && !ours.unknown_price_written) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "model";
  error.code = "unknown_price";
  error.message = "No price is known for model " + deployment.price_name +
                  ", so a call on a budget is refused. Set input_cost_per_token and " +
                  "output_cost_per_token under model_info of " + deployment.model_group +
                  ", or turnpike.unknown_price: allow.";
  return base::fail(std::move(error));
}

/// Whose budget the call is on beside its caller's: that of the whole gateway. Probes find out who is well, whatever is
/// left.
Result<const account::BudgetAccounts*> accounts_of_all(const Call& call) {
  if (call.own != nullptr && call.own->probe) return nullptr;
  if (const account::ConfigAccounts* shared = call.snapshot->accounts.get())
    return shared->proxy ? &*shared->proxy : nullptr;
  if (!call.settings().litellm.budgets.proxy) return nullptr;
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.code = "budget_unavailable";
  error.message = "The database that keeps the budgets cannot be reached, please retry shortly.";
  error.retry_after = std::chrono::seconds(2);
  return base::fail(std::move(error));
}

/// The windows in which this call is booked: those in which it started, in the order of the accounts' kinds.
Result<std::vector<ledger::WindowRef>> windows_of(const Call& call) {
  std::vector<ledger::WindowRef> windows;
  const auto add = [&](const domain::CallerAccount& facts) {
    windows.push_back(call.gateway.ledger->window(facts, call.ledger_us));
  };
  const Result<const account::BudgetAccounts*> all = accounts_of_all(call);
  if (!all) return base::fail(all.error());
  const std::vector<domain::CallerAccount>& named = call.named_accounts;
  const std::vector<domain::CallerAccount>& of_models = call.caller->model_accounts;
  windows.reserve(call.caller->accounts.size() + named.size() + of_models.size() + 2);
  if (*all != nullptr) add((*all)->money);
  if (*all != nullptr && (*all)->tokens) add(*(*all)->tokens);
  std::ranges::for_each(call.caller->accounts, add);
  std::ranges::for_each(named, add);  // Before those of models: nearly in the order of kinds.
  for (const domain::CallerAccount& facts : of_models) {
    if (facts.model == call.request.model || facts.model == call.record.model_group) add(facts);
  }
  if (named.empty() && of_models.empty()) return windows;
  constexpr std::size_t kWindowsMax = journal::kAccountsMax - 4;  // Two for a provider, two for a deployment.
  if (windows.size() > kWindowsMax) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = "metadata.tags";
    error.message = "A call may be booked on at most " + std::to_string(kWindowsMax) +
                    " budgets; it names more tags that have one.";
    return base::fail(std::move(error));
  }
  std::ranges::sort(windows, {}, [](const ledger::WindowRef& window) { return window->account.kind; });
  return windows;
}

/// What the hold lacks for another attempt. Nothing: it has no price. The first group has been looked at before the
/// call was admitted; a fallback may be one without.
std::optional<ledger::Amounts> lacking_for(const AdmittedCall& admitted, const router::Deployment& deployment,
                                           Money beside) {
  if (!check_price(admitted.call, deployment, money_budget_applies(admitted.hold.windows()))) return std::nullopt;
  // Of all attempts the entry has the cost, of the last one the tokens.
  ledger::Amounts needed = expected_amounts(admitted.call, admitted.expected, prices_of(deployment));
  needed.money += beside + billed_cost(admitted.call.record);
  return needed - admitted.hold.amount();
}

Task<Result<ledger::Hold>> take(Call& call, ledger::Admission& admission) {
  Result<ledger::Hold> hold = co_await call.gateway.ledger->admit_or_wait(admission, *call.cancel);
  if (!hold && call.cancel->requested()) co_return base::fail(call.cancelled());
  co_return std::move(hold);
}

struct Taken {
  ledger::Hold hold;
  limit::Admission limits;
};

/// Steps 2 to 5 of spec money 4: what is taken here of limits, then the money, then the limits over all replicas; what
/// refuses leaves nothing taken. A call that is refused both ways gets the budget's answer.
Task<Result<Taken>> take(Call& call, ledger::Admission& admission, CallLimits& limits) {
  Result<limit::Admission> here = take_limits(call, limits);
  if (!here) {
    if (std::optional<Error> spent = call.gateway.ledger->look(admission)) {
      limits.refusal.reset();
      co_return base::fail(std::move(*spent));
    }
    co_return base::fail(std::move(here.error()));
  }
  Result<ledger::Hold> hold = co_await take(call, admission);
  if (!hold) {
    undo_limits(*here);
    co_return base::fail(std::move(hold.error()));
  }
  if (are_shared(call, *here)) {
    if (Status confirmed = co_await confirm_limits(call, limits, *here); !confirmed) {
      admission.windows.assign(hold->windows().begin(), hold->windows().end());  // The call may try once more.
      std::move(*hold).undo();
      co_return base::fail(std::move(confirmed.error()));
    }
  }
  if (!limits.all.empty() && call.cancel->requested()) {
    undo_limits(*here);
    std::move(*hold).undo();
    co_return base::fail(call.cancelled());
  }
  co_return Taken{std::move(*hold), std::move(*here)};
}

}  // namespace

Task<Result<AdmittedCall>> admit(Call& call, const router::RoutePlan& plan) {
  Result<std::vector<ledger::WindowRef>> found = windows_of(call);
  if (!found) co_return base::fail(std::move(found.error()));
  ledger::Admission admission;
  admission.windows = std::move(*found);
  const std::vector<ledger::WindowRef>& windows = admission.windows;
  const bool budgeted = budget_applies(windows);
  const bool priced_budget = money_budget_applies(windows);
  const router::ModelGroup& group = *plan.stops.front().group;

  std::uint64_t model_cap = 0;
  bool reasoning = false;
  bool all_free = !group.deployments.empty();
  for (const router::DeploymentRef& deployment : group.deployments) {
    if (Status priced = check_price(call, *deployment, priced_budget); !priced)
      co_return base::fail(std::move(priced.error()));
    const price::Prices& prices = prices_of(*deployment);
    model_cap = std::max(model_cap, prices.max_output_tokens);
    reasoning = reasoning || prices.traits.has(domain::Trait::Reasoning);
    all_free = all_free && prices.free();
  }
  const std::uint64_t caller_cap = call.request.output_tokens_max.value_or(0) * call.request.choices;
  const price::Estimator::Estimate estimate = call.worker.estimator.estimate(
      call.caller->key_hash_hex, group.name, call.request.body.size(), caller_cap, model_cap * call.request.choices,
      reasoning, estimator_settings(call.settings().turnpike));
  Expectation expected{estimate.prompt_tokens, 1, estimate.output_tokens, estimate.input_factor};
  constexpr std::uint64_t kBytesPerToken = 4;
  const bool learned = learns(call.request.operation);
  if (!learned) expected = {call.request.measures.text_bytes / kBytesPerToken + 1, 1, 0, 1.0};
  const bool is_strict = call.settings().turnpike.budget_mode == config::BudgetMode::Strict;
  expected.strict = is_strict || has_strict(windows);
  const auto dearest = [&] {
    ledger::Amounts amount;
    for (const router::DeploymentRef& deployment : group.deployments) {
      const ledger::Amounts one = expected_amounts(call, expected, prices_of(*deployment));
      amount = {std::max(amount.money, one.money), std::max(amount.tokens, one.tokens)};
    }
    return amount;
  };
  admission.amount = dearest();
  const bool is_counted = budgeted && learned && !group.deployments.empty() &&
                          (expected.strict || is_near_limit(windows, admission.amount));
  if (is_counted) {
    const price::PromptCount counted = co_await count_prompt(call, group.deployments.front()->target.model);
    expected.prompt_tokens = counted.tokens;
    expected.messages = counted.messages;
    admission.amount = dearest();
  }
  // Free are tokens: what is paid by the search needs money.
  admission.free_model = all_free && admission.amount.money == Money() &&
                         call.settings().turnpike.free_models_over_budget == config::FreeModelsOverBudget::Allow;
  admission.may_cross = !is_strict && call.settings().turnpike.budget_crossing == config::BudgetCrossing::Allow;
  admission.started_us = call.ledger_us;
  admission.record_id = call.own_id;
  admission.call_id = call.record.call_id;
  admission.key_hash = call.caller->key_hash_hex;
  admission.model_group = group.name;
  admission.prompt_tokens = expected.prompt_tokens;
  CallLimits limits = limits_of(call, group);
  if (reserve_tokens(call, expected, limits) && learned && !is_counted && !group.deployments.empty()) {
    expected.prompt_tokens = (co_await count_prompt(call, group.deployments.front()->target.model)).tokens;
    reserve_tokens(call, expected, limits);
  }
  const base::Monotonic until =
      base::Monotonic(std::chrono::microseconds(limits.terms.now_us)) + call.settings().turnpike.limit_wait;
  for (;;) {
    Result<Taken> taken = co_await take(call, admission, limits);
    if (taken) {
      tell_limits(call, limits, &taken->limits);
      co_return AdmittedCall{call, std::move(taken->hold), expected, std::move(taken->limits)};
    }
    if (taken.error().kind == ErrorKind::RateLimited && co_await wait_for_room(call, limits, until)) {
      reserve_tokens(call, expected, limits);  // At the time that it is now.
      continue;
    }
    if (call.cancel->requested()) co_return base::fail(call.cancelled());
    tell_limits(call, limits, nullptr);
    co_return base::fail(std::move(taken.error()));
  }
}

Result<AdmittedCall> admit_replay(Call& call) {
  Result<std::vector<ledger::WindowRef>> windows = windows_of(call);
  if (!windows) return base::fail(std::move(windows.error()));
  ledger::Admission admission;
  admission.windows = std::move(*windows);
  admission.free_model = true;
  admission.started_us = call.ledger_us;
  admission.record_id = call.own_id;
  admission.call_id = call.record.call_id;
  admission.key_hash = call.caller->key_hash_hex;
  admission.model_group = call.record.model_group;
  Result<ledger::Hold> hold = call.gateway.ledger->admit(admission);
  if (!hold) return base::fail(std::move(hold.error()));
  return AdmittedCall{call, std::move(*hold), {}};
}

Money attempt_cost(const AdmittedCall& admitted, const router::Deployment& deployment) {
  return expected_amounts(admitted.call, admitted.expected, prices_of(deployment)).money;
}

bool cover_attempt(AdmittedCall& admitted, const router::Deployment& deployment, Money beside) {
  const std::optional<ledger::Amounts> lacking = lacking_for(admitted, deployment, beside);
  return lacking && admitted.hold.extend(*lacking);
}

Task<bool> cover_next_attempt(AdmittedCall& admitted, const router::Deployment& deployment) {
  const std::optional<ledger::Amounts> lacking = lacking_for(admitted, deployment, Money());
  if (!lacking) co_return false;
  if (!lacking->any()) co_return true;
  co_return co_await admitted.hold.extend_or_wait(*lacking, *admitted.call.cancel);
}

Money prompt_cost(const AdmittedCall& admitted, const router::Deployment& deployment) {
  const Money before = billed_cost(admitted.call.record);
  if (!learns(admitted.call.request.operation)) return before + attempt_cost(admitted, deployment);
  domain::Usage prompt;
  prompt.set(domain::Unit::InputTokens, admitted.expected.prompt_tokens);
  return before + price::bill(prices_of(deployment), prompt).cost;
}

bool follow_stream(AdmittedCall& admitted, const router::Deployment& deployment, const protocol::ReplyStream& stream,
                   base::Monotonic& last_progress) {
  constexpr std::uint64_t kBytesPerTokenFollowed = 3;
  constexpr std::chrono::seconds kProgressInterval{5};
  if (!learns(admitted.call.request.operation)) return false;  // Held whole from the start.
  const std::uint64_t output_tokens = stream.raw_text_bytes() / kBytesPerTokenFollowed;
  const bool outgrown = output_tokens > admitted.expected.output_tokens;
  while (output_tokens > admitted.expected.output_tokens) {
    // The money is being spent: others see it gone now, not at the end.
    const ledger::Amounts before = expected_amounts(admitted.call, admitted.expected, prices_of(deployment));
    admitted.expected.output_tokens += admitted.expected.output_tokens / 4 + 16;
    admitted.hold.enlarge(expected_amounts(admitted.call, admitted.expected, prices_of(deployment)) - before);
  }
  const base::Monotonic now = base::monotonic_now();
  if (now - last_progress < kProgressInterval) return outgrown;
  last_progress = now;
  domain::Usage so_far;
  so_far.set(domain::Unit::InputTokens, admitted.expected.prompt_tokens);
  so_far.set(domain::Unit::OutputTokens, output_tokens);
  admitted.hold.progress(admitted.expected.prompt_tokens, output_tokens,
                         billed_cost(admitted.call.record) + price::bill(prices_of(deployment), so_far).cost);
  return outgrown;
}

void learn(AdmittedCall& admitted, const router::Deployment& deployment, const domain::Usage& usage, Money) {
  Call& call = admitted.call;
  if (!learns(call.request.operation)) return;
  const price::Prices& prices = prices_of(deployment);
  domain::Usage input;
  for (const domain::UnitCount& entry : usage.counts) {
    if (entry.unit < domain::Unit::OutputTokens) input.set(entry.unit, entry.count);
  }
  domain::Usage at_list_price;
  at_list_price.set(domain::Unit::InputTokens, usage.prompt_tokens());
  const double list_nano = static_cast<double>(price::bill(prices, at_list_price).cost.nano());
  const double factor = list_nano > 0 ? static_cast<double>(price::bill(prices, input).cost.nano()) / list_nano : 1.0;
  call.worker.estimator.learn(call.caller->key_hash_hex, call.record.model_group, call.request.body.size(),
                              usage.prompt_tokens(), usage.completion_tokens(), factor);
}

}  // namespace turnpike::pipeline
