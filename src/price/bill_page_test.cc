// Holds docs/bills.md to its own arithmetic and bills to docs/bills.md.
#include <gtest/gtest.h>

#include <fstream>

#include "base/text.h"
#include "price/bill.h"
#include "price/price_file.h"

namespace turnpike::price::bill_page_test {
namespace {

std::string_view cell(std::string_view text) {
  return base::trim(text);
}

/// Cells of a table row; the prices' JSON holds no bar.
std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  for (const std::string_view part : base::split(line.substr(1, line.size() - 2), '|')) cells.emplace_back(cell(part));
  return cells;
}

/// Decimal text in thousandths.
std::int64_t thousandths(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto whole = base::parse_unsigned(text.substr(0, dot));
  EXPECT_TRUE(whole) << text;
  std::int64_t value = static_cast<std::int64_t>(whole.value_or(0)) * 1000;
  if (dot == std::string_view::npos) return value;
  std::string fraction(text.substr(dot + 1));
  EXPECT_LE(fraction.size(), 3U) << text;
  fraction.resize(3, '0');
  return value + static_cast<std::int64_t>(base::parse_unsigned(fraction).value_or(0));
}

/// "2 × 3000 + 1 × 0.5 = 6000.5 ≈ 6000": the last figure, when all of it is true.
std::int64_t worked_out(std::string_view arithmetic) {
  constexpr std::string_view kTimes = " × ";
  constexpr std::string_view kAbout = " ≈ ";
  const std::size_t equals = arithmetic.find(" = ");
  EXPECT_NE(equals, std::string_view::npos) << arithmetic;
  std::int64_t sum = 0;
  std::string_view terms = arithmetic.substr(0, equals);
  while (!terms.empty()) {
    const std::size_t plus = std::min(terms.find(" + "), terms.size());
    const std::string_view term = terms.substr(0, plus);
    const std::size_t times = term.find(kTimes);
    EXPECT_NE(times, std::string_view::npos) << term;
    sum += static_cast<std::int64_t>(base::parse_unsigned(term.substr(0, times)).value_or(0)) *
           thousandths(term.substr(times + kTimes.size()));
    terms.remove_prefix(std::min(plus + 3, terms.size()));
  }
  std::string_view result = arithmetic.substr(equals + 3);
  const std::size_t about = result.find(kAbout);
  EXPECT_EQ(thousandths(result.substr(0, about)), sum) << arithmetic;
  const bool whole = sum % 1000 == 0;
  EXPECT_EQ(whole, about == std::string_view::npos) << arithmetic;
  if (!whole) result.remove_prefix(about + kAbout.size());
  return static_cast<std::int64_t>(base::parse_unsigned(result).value_or(0));
}

domain::Usage usage_of(std::string_view text) {
  domain::Usage usage;
  for (const std::string_view entry : base::split(text, ',')) {
    const std::string_view pair = base::trim(entry);
    const std::size_t space = pair.find(' ');
    bool known = false;
    for (std::size_t i = 0; i < domain::kUnitCount; ++i) {
      const auto unit = static_cast<domain::Unit>(i);
      if (domain::unit_name(unit) != pair.substr(0, space)) continue;
      usage.set(unit, base::parse_unsigned(pair.substr(space + 1)).value_or(0));
      known = true;
    }
    EXPECT_TRUE(known) << pair;
  }
  return usage;
}

BillTerms terms_of(std::string_view text, Prices& prices) {
  BillTerms terms;
  if (text == "batch") {
    terms.service = ServiceTier::Batch;
  } else if (text.starts_with("host ")) {
    prices.apply_host(text.substr(5));
  } else if (text.starts_with("search ")) {
    terms.search = parse_search_size(text.substr(7));
  } else if (!text.empty()) {
    terms.service = parse_service_tier(text);
    EXPECT_NE(terms.service, ServiceTier::Standard) << text;
  }
  return terms;
}

TEST(BillPage, EveryRuleIsWorkedOutAndBilledAlike) {
  std::ifstream page(std::string(TURNPIKE_SOURCE_DIR) + "/docs/bills.md");
  ASSERT_TRUE(page);
  std::size_t rules = 0;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| ") || line.starts_with("| rule ")) continue;
    SCOPED_TRACE(line);
    const std::vector<std::string> row = cells_of(line);
    ASSERT_EQ(row.size(), 5U);
    const std::string_view json = std::string_view(row[1]).substr(1, row[1].size() - 2);
    Result<Prices> prices = read_price_entry("by hand", json);
    ASSERT_TRUE(prices) << prices.error().message;
    const BillTerms terms = terms_of(row[3], *prices);
    const Bill billed = bill(*prices, usage_of(row[2]), terms);
    EXPECT_FALSE(billed.unknown);
    EXPECT_EQ(billed.cost.nano(), worked_out(row[4]));
    ++rules;
  }
  EXPECT_GE(rules, 30U);
}

}  // namespace
}  // namespace turnpike::price::bill_page_test
