#include "proof/reconcile.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace turnpike::proof::reconcile_test {
namespace {

constexpr std::int64_t kMonday = 20'000;

ExportLine provided(std::int64_t day, std::string model, Figures figures, std::vector<std::string> accounts = {}) {
  ExportLine line;
  line.day = day;
  line.model = std::move(model);
  line.accounts = std::move(accounts);
  line.figures = figures;
  return line;
}
BookedLine booked(std::int64_t day, std::string model, Figures figures, std::string deployment = "d") {
  BookedLine line;
  line.day = day;
  line.model = std::move(model);
  line.deployment_id = std::move(deployment);
  line.figures = figures;
  return line;
}
/// Of ten calls: input, of it read from a cache, output, nanodollars.
Figures of(std::uint64_t input, std::uint64_t cached, std::uint64_t output, std::int64_t nano) {
  return {10, input, cached, 0, output, Money::from_nano(nano)};
}

constexpr ExportColumns kAll = {true, true, true, true, true, false, 0};
ExportColumns without(bool ExportColumns::* column) {
  ExportColumns columns = kAll;
  columns.*column = false;
  return columns;
}

struct Case {
  const char* name;
  std::vector<ExportLine> provider;
  std::vector<BookedLine> ledger;
  const char* verdicts;  // "model@account: verdict", one each.
  ExportColumns columns = kAll;
  std::map<std::string, std::string> billed_to = {};
  bool named_models_only = false;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"to the token, and to the rounding of ten calls",
       {provided(kMonday, "m", of(1000, 100, 50, 5'000'000))},
       {booked(kMonday, "m", of(1000, 100, 50, 4'999'990))},
       "m: agrees"},
      {"half a per cent is no news",
       {provided(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       {booked(kMonday, "m", of(995, 0, 50, 4'980'000))},
       "m: agrees within the tolerance"},
      {"the provider asks more for as many tokens",
       {provided(kMonday, "m", of(1000, 100, 50, 5'000'000))},
       {booked(kMonday, "m", of(1000, 100, 50, 4'000'000))},
       "m: likely wrong price"},
      {"prices of two days that make up for each other",
       {provided(kMonday, "m", of(1000, 0, 50, 5'000'000)), provided(kMonday + 1, "m", of(1000, 0, 50, 3'000'000))},
       {booked(kMonday, "m", of(1000, 0, 50, 4'000'000)), booked(kMonday + 1, "m", of(1000, 0, 50, 4'000'000))},
       "m: likely wrong price"},
      {"it is the cache, not the price",
       {provided(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       {booked(kMonday, "m", of(1000, 900, 50, 4'000'000))},
       "m: cached tokens differ"},
      {"an export that knows no cache",
       {provided(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       {booked(kMonday, "m", of(1000, 900, 50, 5'000'000))},
       "m: agrees",
       without(&ExportColumns::cache_reads)},
      {"a call is missing in the ledger",
       {provided(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       {booked(kMonday, "m", of(900, 0, 45, 4'500'000))},
       "m: the provider has more"},
      {"a call is missing in the export",
       {provided(kMonday, "m", of(900, 0, 45, 4'500'000))},
       {booked(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       "m: the ledger has more"},
      {"models that one side does not know",
       {provided(kMonday, "a", of(1, 0, 1, 1'000))},
       {booked(kMonday, "b", of(1, 0, 1, 1'000))},
       "a: the provider has more; b: the ledger has more"},
      {"only those that the export names",
       {provided(kMonday, "a", of(1, 0, 1, 1'000))},
       {booked(kMonday, "a", of(1, 0, 1, 1'000)), booked(kMonday, "b", of(1, 0, 1, 1'000))},
       "a: agrees",
       kAll,
       {},
       true},
      {"attempts that were refused are nothing to compare", {}, {booked(kMonday, "m", {})}, ""},
      {"calls at midnight",
       {provided(kMonday, "m", of(900, 0, 50, 4'500'000)), provided(kMonday + 1, "m", of(1100, 0, 50, 5'500'000))},
       {booked(kMonday, "m", of(1000, 0, 50, 5'000'000)), booked(kMonday + 1, "m", of(1000, 0, 50, 5'000'000))},
       "m: agrees but for the boundaries of days"},
      {"a small hole is no boundary",
       {provided(kMonday, "m", of(100, 0, 0, 500'000)), provided(kMonday + 1, "m", of(100'000, 0, 0, 500'000'000))},
       {booked(kMonday, "m", of(50, 0, 0, 250'000)), booked(kMonday + 1, "m", of(100'000, 0, 0, 500'000'000))},
       "m: agrees within the tolerance"},
      {"no costs in the export",
       {provided(kMonday, "m", of(1000, 0, 50, 0))},
       {booked(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       "m: agrees",
       without(&ExportColumns::costs)},
      {"nothing but costs in the export",
       {provided(kMonday, "m", of(0, 0, 0, 5'000'000))},
       {booked(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       "m: agrees",
       {false, false, false, false, true, false, 0}},
      {"nothing but costs, and more of them",
       {provided(kMonday, "m", of(0, 0, 0, 6'000'000))},
       {booked(kMonday, "m", of(1000, 0, 50, 5'000'000))},
       "m: the provider has more",
       {false, false, false, false, true, false, 0}},
      {"names without a date are what the export knows with one",
       {provided(kMonday, "gpt-4o-2024-08-06", of(70, 0, 0, 0)),
        provided(kMonday, "gpt-4o-2024-05-13", of(30, 0, 0, 0)),
        provided(kMonday, "claude-opus-4-20250514", of(5, 0, 0, 0)),
        provided(kMonday, "Claude Sonnet 4.6", of(6, 0, 0, 0))},
       {booked(kMonday, "gpt-4o", of(90, 0, 0, 0)), booked(kMonday, "gpt-4o-2024-08-06", of(10, 0, 0, 0)),
        booked(kMonday, "claude-opus-4-latest", of(5, 0, 0, 0)), booked(kMonday, "claude-sonnet-4-6", of(6, 0, 0, 0))},
       "claude-opus-4-20250514 / claude-opus-4-latest: agrees; claude-sonnet-4-6: agrees; "
       "gpt-4o / gpt-4o-2024-05-13 / gpt-4o-2024-08-06: agrees"},
      {"names that stand on both sides are compared as they are",
       {provided(kMonday, "m", of(70, 0, 0, 0)), provided(kMonday, "m-2024-05-13", of(30, 0, 0, 0))},
       {booked(kMonday, "m", of(70, 0, 0, 0)), booked(kMonday, "m-2024-05-13", of(20, 0, 0, 0))},
       "m: agrees; m-2024-05-13: the provider has more"},
      {"by project, one of them nobody's",
       {provided(kMonday, "m", of(1, 0, 0, 0), {"key_1", "p1"}),
        provided(kMonday, "m", of(2, 0, 0, 0), {"key_2", "p2"}), provided(kMonday, "m", of(3, 0, 0, 0), {"p3"})},
       {booked(kMonday, "m", of(1, 0, 0, 0), "d1"), booked(kMonday, "m", of(2, 0, 0, 0), "d2")},
       "m@p1: agrees; m@p2: agrees; m@p3: the provider has more",
       kAll,
       {{"d1", "p1"}, {"d2", "p2"}}},
      {"an export that tells no accounts apart is one",
       {provided(kMonday, "m", of(3, 0, 0, 0))},
       {booked(kMonday, "m", of(1, 0, 0, 0), "d1"), booked(kMonday, "m", of(2, 0, 0, 0), "d2")},
       "m: agrees",
       kAll,
       {{"d1", "p1"}, {"d2", "p2"}}},
      {"accounts that nobody has mapped are one",
       {provided(kMonday, "m", of(1, 0, 0, 0), {"p1"}), provided(kMonday, "m", of(2, 0, 0, 0), {"p2"})},
       {booked(kMonday, "m", of(3, 0, 0, 0), "d1")},
       "m: agrees"},
      {"other days are not asked for",
       {provided(kMonday - 1, "m", of(1, 0, 0, 0)), provided(kMonday + 2, "m", of(1, 0, 0, 0))},
       {},
       ""},
  };
  return all;
}

Comparison compare(const Case& c) {
  ReconcileTerms terms;
  terms.first_day = kMonday;
  terms.last_day = kMonday + 1;
  terms.billed_to = c.billed_to;
  terms.named_models_only = c.named_models_only;
  Reconciliation reconciliation(std::move(terms));
  for (const ExportLine& line : c.provider) EXPECT_TRUE(reconciliation.add(line));
  reconciliation.add(c.columns);
  reconciliation.add(BookedDays{c.ledger, {}});
  return reconciliation.compare();
}

TEST(Reconcile, SaysHowBothSidesStand) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Comparison comparison = compare(c);
    std::string verdicts;
    for (const ModelComparison& model : comparison.models) {
      verdicts += fmt::format("{}{}{}: {}", verdicts.empty() ? "" : "; ", model.model,
                              model.account.empty() ? "" : "@" + model.account, verdict_text(model.verdict));
    }
    EXPECT_EQ(verdicts, c.verdicts);
    const std::string text = format_comparison(comparison);
    EXPECT_EQ(text.ends_with("The ledger agrees with the provider.\n"), !comparison.drifts()) << text;
  }
}

TEST(Reconcile, ExplainsWhatDiffers) {
  Case c{"", {}, {}, ""};
  c.provider = {provided(kMonday, "priced", {10, 1'000'000, 200'000, 0, 100'000, Money::from_nano(3'000'000'000)}),
                provided(kMonday, "broken", {11, 1100, 0, 0, 110, Money::from_nano(11'000)})};
  c.provider[0].cost_kind = CostKind::Output;
  ExportLine batch = provided(kMonday, "broken", {3, 300, 0, 0, 30, Money::from_nano(1'500)});
  batch.batch = true;
  c.provider.push_back(batch);
  c.ledger = {booked(kMonday, "priced", {10, 1'000'000, 200'000, 0, 100'000, Money::from_nano(2'000'000'000)}),
              booked(kMonday, "broken", {10, 1000, 0, 0, 100, Money::from_nano(10'000)})};
  c.ledger[1].exposure = Money::from_nano(400);
  c.ledger[1].exposed_calls = 1;
  const std::string text = format_comparison(compare(c));
  for (const char* line : {
           "priced: likely wrong price",
           "  $ per million tokens                     2.72727             1.81818       provider x1.5",
           "    implied: output                             30",
           "broken: the provider has more",
           "calls broken off and booked as 0: 1; the provider may bill up to $0.0000004 for them: that leaves "
           "$0.0000006",
           "  batch jobs, apart: 330 tokens, $0.0000015",
           "  2024-10-04: input -100, output -10, cost -0.000001, the provider has more",
           "  coverage of tokens                                           99.99 %",
           "  drift of tokens                                                                  -0.01 %",
           "2 of 2 models differ.",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(Reconcile, BoundaryIsToldOnce) {
  for (const Case& c : cases()) {
    if (std::string_view(c.name) != "calls at midnight") continue;
    const std::string text = format_comparison(compare(c));
    EXPECT_NE(text.find("2 of 2 days differ, together they agree"), std::string::npos) << text;
    EXPECT_EQ(text.find("2024-10-0"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace turnpike::proof::reconcile_test
