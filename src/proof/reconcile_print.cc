#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/clock.h"
#include "base/text.h"
#include "proof/reconcile.h"

namespace turnpike::proof {
namespace {

constexpr std::size_t kDaysShownMax = 31;

std::string day_text(std::int64_t day) {
  return base::iso_time(day * base::kDayUs).substr(0, 10);
}

std::string count_difference(std::uint64_t provider, std::uint64_t ledger) {
  if (provider == ledger) return "0";
  return ledger > provider ? fmt::format("+{}", ledger - provider) : fmt::format("-{}", provider - ledger);
}

std::string cost_difference(Money provider, Money ledger) {
  const Money difference = ledger - provider;
  return (difference > Money() ? "+" : "") + difference.to_string();
}

std::string percent(double part, double whole) {
  return whole == 0 ? "-" : fmt::format("{:.2f} %", 100 * part / whole);
}

/// Dollars per million tokens, for people.
std::string per_million(Money cost, std::uint64_t tokens) {
  return tokens == 0 ? "-"
                     : fmt::format("{:.6g}", static_cast<double>(cost.nano()) / 1e3 / static_cast<double>(tokens));
}

class Printer {
 public:
  explicit Printer(const ExportColumns& columns) : columns_(columns) {}

  void line(std::string_view text) { out_ += fmt::format("{}\n", text); }
  void row(std::string_view what, std::string_view provider, std::string_view ledger, std::string_view difference) {
    std::string text = fmt::format("  {:<28}{:>20}{:>20}{:>20}", what, provider, ledger, difference);
    text.erase(text.find_last_not_of(' ') + 1);
    line(text);
  }

  void model(const ModelComparison& model) {
    std::string name = model.model.empty() ? "(no model named)" : model.model;
    if (!model.account.empty()) name += ", billed to " + model.account;
    line(fmt::format("\n{}: {}", name, verdict_text(model.verdict)));
    sides(model.total);
    if (model.batch != Figures()) {
      line(fmt::format("  batch jobs, apart: {} tokens, ${}", model.batch.tokens(), model.batch.cost.to_string()));
    }
    if (model.verdict == Verdict::WrongPrice) prices(model);
    reasons(model);
    days(model);
  }

  void sides(const Sides& sides) {
    const Figures& provider = sides.provider;
    const Figures& ledger = sides.ledger.figures;
    row("", "provider", "ledger", "difference");
    counts("requests", columns_.requests, provider.requests, ledger.requests);
    counts("input tokens", columns_.tokens, provider.input_tokens, ledger.input_tokens);
    counts("  read from a cache", columns_.cache_reads, provider.cache_read_tokens, ledger.cache_read_tokens);
    counts("  written to a cache", columns_.cache_writes, provider.cache_write_tokens, ledger.cache_write_tokens);
    counts("output tokens", columns_.tokens, provider.output_tokens, ledger.output_tokens);
    row("cost, $", columns_.costs ? provider.cost.to_string() : "-", ledger.cost.to_string(),
        columns_.costs ? cost_difference(provider.cost, ledger.cost) : "");
  }

  std::string take() { return std::move(out_); }

 private:
  void counts(std::string_view what, bool known, std::uint64_t provider, std::uint64_t ledger) {
    row(what, known ? std::to_string(provider) : "-", std::to_string(ledger),
        known ? count_difference(provider, ledger) : "");
  }

  /// What was paid for a million tokens, all together and by kind.
  void prices(const ModelComparison& model) {
    const Figures& provider = model.total.provider;
    const Figures& ledger = model.total.ledger.figures;
    row("$ per million tokens", per_million(provider.cost, provider.tokens()),
        per_million(ledger.cost, ledger.tokens()),
        ledger.cost == Money() ? ""
                               : fmt::format("provider x{:.6g}", static_cast<double>(provider.cost.nano()) /
                                                                     static_cast<double>(ledger.cost.nano())));
    const std::uint64_t cached = provider.cache_read_tokens + provider.cache_write_tokens;
    const std::uint64_t plain = provider.input_tokens - std::min(provider.input_tokens, cached);
    implied("  implied: input", model, CostKind::Input, plain);
    implied("  implied: read from a cache", model, CostKind::CacheRead, provider.cache_read_tokens);
    implied("  implied: written to it", model, CostKind::CacheWrite, provider.cache_write_tokens);
    implied("  implied: output", model, CostKind::Output, provider.output_tokens);
  }
  void implied(std::string_view what, const ModelComparison& model, CostKind kind, std::uint64_t tokens) {
    const Money cost = model.total.cost_by_kind[static_cast<std::size_t>(kind)];
    if (cost != Money() && tokens > 0) row(what, per_million(cost, tokens), "", "");
  }

  void reasons(const ModelComparison& model) {
    const BookedLine& ledger = model.total.ledger;
    if (ledger.exposed_calls > 0) {
      std::string text = fmt::format("  calls broken off and booked as 0: {}; the provider may bill up to ${} for them",
                                     ledger.exposed_calls, ledger.exposure.to_string());
      const Money missing = model.total.provider.cost - ledger.figures.cost;
      if (model.verdict == Verdict::ProviderMore && columns_.costs) {
        text += missing <= ledger.exposure ? ": that may be all of the difference"
                                           : ": that leaves $" + (missing - ledger.exposure).to_string();
      }
      line(text);
    }
    if (ledger.estimated_calls > 0) {
      line(fmt::format("  calls whose tokens were counted here, because their answer named none: {}",
                       ledger.estimated_calls));
    }
    if (ledger.unpriced_calls > 0) line(fmt::format("  calls without a known price: {}", ledger.unpriced_calls));
    if (!is_drift(model.verdict)) return;
    if (ledger.figures == Figures()) line("  the ledger has nothing of it: calls that do not pass this gateway");
    if (model.total.provider == Figures()) {
      line("  the export has nothing of it: it is not complete, or the deployment is billed to another account");
    }
  }

  /// One note where only the boundaries of days differ, else the days that differ.
  void days(const ModelComparison& model) {
    std::vector<const ModelComparison::Day*> differing;
    for (const ModelComparison::Day& day : model.days) {
      if (day.verdict > Verdict::Close) differing.push_back(&day);
    }
    if (model.verdict == Verdict::DayBoundary) {
      line(
          fmt::format("  {} of {} days differ, together they agree: the provider's days begin at another hour, or calls"
                      " at midnight are counted when they end",
                      differing.size(), model.days.size()));
      return;
    }
    for (std::size_t i = 0; i < std::min(differing.size(), kDaysShownMax); ++i) {
      const Figures& provider = differing[i]->sides.provider;
      const Figures& ledger = differing[i]->sides.ledger.figures;
      std::string text = fmt::format("  {}:", day_text(differing[i]->day));
      if (columns_.tokens) {
        text += fmt::format(" input {}, output {},", count_difference(provider.input_tokens, ledger.input_tokens),
                            count_difference(provider.output_tokens, ledger.output_tokens));
      }
      if (columns_.costs) text += fmt::format(" cost {},", cost_difference(provider.cost, ledger.cost));
      line(fmt::format("{} {}", text, verdict_text(differing[i]->verdict)));
    }
    if (differing.size() > kDaysShownMax) line(fmt::format("  and {} more days", differing.size() - kDaysShownMax));
  }

  const ExportColumns& columns_;
  std::string out_;
};

void print_notes(const Comparison& comparison, Printer& printer) {
  if (comparison.other_days_lines > 0) {
    printer.line(fmt::format("Lines of other days, left out: {}.", comparison.other_days_lines));
  }
  if (comparison.columns.more_to_come)
    printer.line("The export is not complete: its last page says that there are more.");
  if (!comparison.columns.costs) printer.line("The export has no costs; only tokens are compared.");
  if (!comparison.columns.tokens) printer.line("The export has no tokens; only costs are compared.");
  if (!comparison.summed.empty()) {
    printer.line(
        fmt::format("Days compared by their sums, because their calls have been dropped from the ledger: {}. Of"
                    " them neither cached tokens nor exposure are known.",
                    comparison.summed.size()));
  }
}

}  // namespace

std::string format_comparison(const Comparison& comparison) {
  Printer printer(comparison.columns);
  printer.line(fmt::format("Lines of the export: {}", comparison.columns.lines));
  for (const ModelComparison& model : comparison.models) printer.model(model);
  const Figures& provider = comparison.total.provider;
  const Figures& ledger = comparison.total.ledger.figures;
  printer.line("\nAll together");
  printer.sides(comparison.total);
  if (comparison.columns.tokens) {
    const auto tokens = static_cast<double>(provider.tokens());
    printer.row("coverage of tokens", "", percent(static_cast<double>(comparison.covered_tokens), tokens), "");
    printer.row("drift of tokens", "", "", percent(static_cast<double>(ledger.tokens()) - tokens, tokens));
  }
  if (comparison.columns.costs) {
    const auto cost = static_cast<double>(provider.cost.nano());
    printer.row("drift of cost", "", "", percent(static_cast<double>(ledger.cost.nano()) - cost, cost));
  }
  if (comparison.total.ledger.exposed_calls > 0) {
    printer.row("exposure of broken calls, $", "", comparison.total.ledger.exposure.to_string(), "");
  }
  if (comparison.batch != Figures()) {
    printer.row("batch jobs, tokens", std::to_string(comparison.batch.tokens()), "", "");
    printer.row("batch jobs, $", comparison.batch.cost.to_string(), "", "");
  }
  printer.line("");
  print_notes(comparison, printer);
  const auto drifting = std::ranges::count_if(comparison.models, [](const auto& one) { return is_drift(one.verdict); });
  printer.line(drifting == 0 ? "The ledger agrees with the provider."
                             : fmt::format("{} of {} models differ.", drifting, comparison.models.size()));
  return printer.take();
}

}  // namespace turnpike::proof
