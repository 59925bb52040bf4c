#include "proof/reconcile.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/text.h"

namespace turnpike::proof {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Whether `text` ends with a separator and `pattern`, in which 'd' is a digit.
bool ends_like(std::string_view text, std::string_view pattern) {
  if (text.size() <= pattern.size()) return false;
  const std::string_view end = text.substr(text.size() - pattern.size());
  for (std::size_t i = 0; i < end.size(); ++i) {
    if (pattern[i] == 'd' ? !all_digits(end.substr(i, 1)) : end[i] != pattern[i]) return false;
  }
  return true;
}

std::uint64_t magnitude(std::int64_t nano) {
  return nano < 0 ? ~static_cast<std::uint64_t>(nano) + 1 : static_cast<std::uint64_t>(nano);
}

void add_line(BookedLine& total, const BookedLine& line) {
  total.figures.add(line.figures);
  total.exposure += line.exposure;
  total.exposed_calls += line.exposed_calls;
  total.estimated_calls += line.estimated_calls;
  total.unpriced_calls += line.unpriced_calls;
}

void add_sides(Sides& total, const Sides& sides) {
  total.provider.add(sides.provider);
  add_line(total.ledger, sides.ledger);
  for (std::size_t i = 0; i < kCostKinds; ++i) total.cost_by_kind[i] += sides.cost_by_kind[i];
}

/// Which names of an account's models mean the same. Names that stand on both sides are compared as they are. One that
/// we call without a date, and that the export does not know so, is compared with all dated ones.
class Names {
 public:
  void provided(const std::string& model) { provided_.insert(model); }
  void booked(const std::string& model) { booked_.insert(model); }
  void settle() {
    for (const std::string& model : booked_) {
      const std::string bare = bare_model(model);
      const bool undated = model == bare || model == bare + "-latest";
      if (undated && !provided_.contains(model)) joined_.insert(bare);
    }
  }
  bool is_provided(const std::string& model) const {
    if (provided_.contains(model)) return true;
    const std::string bare = bare_model(model);
    return joined_.contains(bare) &&
           std::ranges::any_of(provided_, [&](const std::string& name) { return bare_model(name) == bare; });
  }
  std::string shown(const std::string& model) const {
    const std::string bare = bare_model(model);
    if (!joined_.contains(bare)) return model;
    std::string all;
    std::set<std::string> names = provided_;
    names.insert(booked_.begin(), booked_.end());
    for (const std::string& name : names) {
      if (bare_model(name) == bare) all += (all.empty() ? "" : " / ") + name;
    }
    return all;
  }

 private:
  std::set<std::string> provided_, booked_, joined_;
};

}  // namespace

std::string_view verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::Agrees:
      return "agrees";
    case Verdict::Close:
      return "agrees within the tolerance";
    case Verdict::DayBoundary:
      return "agrees but for the boundaries of days";
    case Verdict::CacheDiffers:
      return "cached tokens differ";
    case Verdict::WrongPrice:
      return "likely wrong price";
    case Verdict::ProviderMore:
      return "the provider has more";
    case Verdict::LedgerMore:
      return "the ledger has more";
  }
  return "";
}

std::string bare_model(std::string_view model) {
  for (const std::string_view end : {"-latest", "-dddd-dd-dd", "-dddddddd", "@dddddddd"}) {
    if (ends_like(model, end)) return std::string(model.substr(0, model.size() - end.size()));
  }
  return std::string(model);
}

std::string api_model(std::string_view model) {
  if (model.find(' ') == std::string_view::npos) return std::string(model);
  std::string name = base::to_lower(model);
  std::ranges::replace_if(name, [](char c) { return c == ' ' || c == '.'; }, '-');
  return name;
}

bool Comparison::drifts() const {
  return std::ranges::any_of(models, [](const ModelComparison& model) { return is_drift(model.verdict); });
}

Reconciliation::Reconciliation(ReconcileTerms terms) : terms_(std::move(terms)) {
  for (const auto& [deployment, account] : terms_.billed_to) accounts_.insert(account);
}

Status Reconciliation::add(const ExportLine& line) {
  if (line.day < terms_.first_day || line.day > terms_.last_day) {
    ++other_days_lines_;
    return {};
  }
  by_account_ = by_account_ || !line.accounts.empty();
  Provided& provided = provided_[Key{account_of(line), api_model(line.model), line.day}];
  if (provided_.size() > kKeysMax) {
    return base::fail(ErrorKind::InvalidRequest, "there are too many different days, models and accounts");
  }
  if (line.batch) {
    provided.batch.add(line.figures);
  } else {
    provided.figures.add(line.figures);
    provided.cost_by_kind[static_cast<std::size_t>(line.cost_kind)] += line.figures.cost;
  }
  return {};
}

void Reconciliation::add(const BookedDays& booked) {
  for (const BookedLine& line : booked.lines) {
    // Attempts that were all refused are on no invoice.
    if (line.figures != Figures() || line.exposed_calls > 0) booked_.lines.push_back(line);
  }
  booked_.summed.insert(booked_.summed.end(), booked.summed.begin(), booked.summed.end());
}

std::string Reconciliation::account_of(const ExportLine& line) const {
  if (accounts_.empty() || line.accounts.empty()) return {};
  const auto known = std::ranges::find_if(line.accounts, [&](const auto& name) { return accounts_.contains(name); });
  return known == line.accounts.end() ? line.accounts.front() : *known;
}

std::string Reconciliation::account_of(const BookedLine& line) const {
  const auto billed = terms_.billed_to.find(line.deployment_id);
  return !by_account_ || billed == terms_.billed_to.end() ? std::string() : billed->second;
}

bool Reconciliation::close(std::uint64_t provider, std::uint64_t ledger) const {
  using Wide = unsigned __int128;
  const std::uint64_t most = std::max(provider, ledger);
  const std::uint64_t difference = most - std::min(provider, ledger);
  return Wide{difference} * kMillion <= Wide{most} * terms_.tolerance_ppm;
}

bool Reconciliation::close(Money provider, Money ledger) const {
  const std::uint64_t difference = magnitude((provider - ledger).nano());
  const std::uint64_t most = std::max(magnitude(provider.nano()), magnitude(ledger.nano()));
  return close(most, most - std::min(most, difference));
}

Verdict Reconciliation::judge(const Sides& sides) const {
  const Figures& provider = sides.provider;
  const Figures& ledger = sides.ledger.figures;
  // Each call's cost is rounded to a nanodollar, and so is each line of the export.
  const std::uint64_t rounding = ledger.requests + 1;
  const bool cost_same = !columns_.costs || magnitude((provider.cost - ledger.cost).nano()) <= rounding;
  const bool cost_close = cost_same || close(provider.cost, ledger.cost);
  const bool reads_same = !columns_.cache_reads || provider.cache_read_tokens == ledger.cache_read_tokens;
  const bool writes_same = !columns_.cache_writes || provider.cache_write_tokens == ledger.cache_write_tokens;
  const bool cache_close = (reads_same || close(provider.cache_read_tokens, ledger.cache_read_tokens)) &&
                           (writes_same || close(provider.cache_write_tokens, ledger.cache_write_tokens));
  const bool tokens_same = !columns_.tokens || (provider.input_tokens == ledger.input_tokens &&
                                                provider.output_tokens == ledger.output_tokens);
  const bool tokens_close = tokens_same || (close(provider.input_tokens, ledger.input_tokens) &&
                                            close(provider.output_tokens, ledger.output_tokens));
  if (tokens_same && cost_same && reads_same && writes_same) return Verdict::Agrees;
  if (tokens_close && cost_close) return cache_close ? Verdict::Close : Verdict::CacheDiffers;
  if (columns_.tokens && tokens_close && provider.tokens() > 0) {
    return cache_close ? Verdict::WrongPrice : Verdict::CacheDiffers;
  }
  const bool by_tokens = columns_.tokens && provider.tokens() != ledger.tokens();
  const bool provider_more = by_tokens ? provider.tokens() > ledger.tokens() : provider.cost > ledger.cost;
  return provider_more ? Verdict::ProviderMore : Verdict::LedgerMore;
}

Verdict Reconciliation::judge_model(const ModelComparison& model) const {
  const Verdict together = judge(model.total);
  if (is_drift(together)) return together;
  std::uint64_t over = 0;   // What the provider has more on some days,
  std::uint64_t under = 0;  // and less on others.
  bool wrong_price = false;
  bool cache_differs = false;
  bool all_agree = true;
  for (const ModelComparison::Day& day : model.days) {
    const std::uint64_t provider = day.sides.provider.tokens();
    const std::uint64_t ledger = day.sides.ledger.figures.tokens();
    (provider > ledger ? over : under) += std::max(provider, ledger) - std::min(provider, ledger);
    wrong_price = wrong_price || day.verdict == Verdict::WrongPrice;
    cache_differs = cache_differs || day.verdict == Verdict::CacheDiffers;
    all_agree = all_agree && day.verdict == Verdict::Agrees;
  }
  if (all_agree) return Verdict::Agrees;
  // Errors of days that make up for each other are errors all the same.
  if (wrong_price) return Verdict::WrongPrice;
  if (cache_differs) return Verdict::CacheDiffers;
  // What is missing on one day has come on another.
  if (columns_.tokens && over > 0 && 2 * std::min(over, under) >= std::max(over, under)) return Verdict::DayBoundary;
  return Verdict::Close;
}

Comparison Reconciliation::compare() const {
  // An export that names no accounts is compared as one.
  const auto account_in = [&](const std::string& account) { return by_account_ ? account : std::string(); };
  std::map<std::string, Names> names;
  for (const auto& [key, provided] : provided_) names[account_in(std::get<0>(key))].provided(std::get<1>(key));
  for (const BookedLine& line : booked_.lines) names[account_of(line)].booked(line.model);
  for (auto& [account, of_account] : names) of_account.settle();

  using DayKey = std::tuple<std::string, std::string, std::int64_t>;
  std::map<DayKey, Sides> days;
  std::map<std::pair<std::string, std::string>, Figures> batches;
  for (const auto& [key, provided] : provided_) {
    const std::string account = account_in(std::get<0>(key));
    const std::string model = names[account].shown(std::get<1>(key));
    Sides& sides = days[DayKey{account, model, std::get<2>(key)}];
    sides.provider.add(provided.figures);
    for (std::size_t i = 0; i < kCostKinds; ++i) sides.cost_by_kind[i] += provided.cost_by_kind[i];
    batches[{account, model}].add(provided.batch);
  }
  for (const BookedLine& line : booked_.lines) {
    const std::string account = account_of(line);
    if (terms_.named_models_only && !names[account].is_provided(line.model)) continue;
    add_line(days[DayKey{account, names[account].shown(line.model), line.day}].ledger, line);
  }

  Comparison result;
  for (const auto& [key, sides] : days) {
    const auto& [account, model, day] = key;
    if (result.models.empty() || result.models.back().account != account || result.models.back().model != model) {
      result.models.push_back({account, model, Verdict::Agrees, {}, batches[{account, model}], {}});
      result.batch.add(result.models.back().batch);
    }
    ModelComparison& comparison = result.models.back();
    comparison.days.push_back({day, judge(sides), sides});
    add_sides(comparison.total, sides);
    add_sides(result.total, sides);
    const Figures& provider = sides.provider;
    const Figures& ledger = sides.ledger.figures;
    result.covered_tokens +=
        std::min(provider.input_tokens, ledger.input_tokens) + std::min(provider.output_tokens, ledger.output_tokens);
  }
  for (ModelComparison& model : result.models) model.verdict = judge_model(model);
  result.columns = columns_;
  result.other_days_lines = other_days_lines_;
  result.summed = booked_.summed;
  result.tolerance_ppm = terms_.tolerance_ppm;
  return result;
}

}  // namespace turnpike::proof
