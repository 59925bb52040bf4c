#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/money.h"
#include "domain/usage.h"
#include "price/bill.h"
#include "price/prices.h"

namespace turnpike::price {

/// What calls of one (key, model group) have used, so that holds are realistic and not worst cases (spec money 3).
///
/// Buckets of output tokens have the upper edges 16 * 2^(i/2); a row forgets by halving when it holds 256 samples.
struct Learned {
  std::array<std::uint16_t, 28> output{};
  std::uint32_t output_samples = 0;
  std::array<std::uint16_t, 24> input_factor{};  // Width 1/16: actual input cost over list cost of the prompt.
  std::uint32_t input_samples = 0;
  double bytes_per_token = 4.0;

  void add_output(std::uint64_t tokens);
  void add_input_factor(double factor);
  void add_prompt(std::uint64_t bytes, std::uint64_t tokens);
};

/// Learns from entries and says what the next call will probably use. One per I/O thread: no lock, no sharing.
///
/// Limits: `rows_max` rows; the least recently used goes.
class Estimator {
 public:
  struct Settings {
    std::size_t rows_max = 65'536;
    double quantile = 0.90;                    // hold_quantile
    std::uint64_t output_tokens_max = 32'000;  // hold_output_tokens_max
    std::uint64_t output_prior = 1024;         // hold_output_prior
    std::uint64_t output_prior_reasoning = 4096;
  };
  static constexpr std::uint32_t kSamplesMin = 20;

  struct Estimate {
    std::uint64_t prompt_tokens = 0;
    std::uint64_t output_tokens = 0;
    double input_factor = 1.0;
    std::uint64_t milliseconds = 0;  // For models charged by time.
  };
  /// `caller_cap`: max_tokens x n of the request, 0 without; `model_cap`: the model's max output, 0 unknown.
  Estimate estimate(std::string_view key, std::string_view group, std::uint64_t prompt_bytes, std::uint64_t caller_cap,
                    std::uint64_t model_cap, bool reasoning, const Settings& settings);

  void learn(std::string_view key, std::string_view group, std::uint64_t prompt_bytes, std::uint64_t prompt_tokens,
             std::uint64_t output_tokens, double input_factor, std::size_t rows_max = 65'536);

  std::size_t rows() const { return rows_.size(); }

 private:
  struct Row {
    Learned learned;
    std::list<std::string>::iterator place;
  };
  Learned* find(const std::string& name);
  Learned& get(const std::string& name, std::size_t rows_max);

  std::unordered_map<std::string, Row> rows_;
  std::list<std::string> order_;  // Most recently used first.
  std::string name_;              // Reused for look-ups.
};

/// More than any budget has: what nobody can say the worst of is held at this.
constexpr Money kUnaffordable = Money::from_nano(1'000'000'000'000'000'000);

/// What a usage is held at: its bill rounded up; one too large to believe is too large to afford, and one without a
/// price is no hold at all.
Money held_for(const Prices& prices, const domain::Usage& usage, const BillTerms& terms);

/// The hold of a call: its expected usage at `prices`, rounded up. Zero when the price is unknown. `terms.service`:
/// what the request asks for, since the answer's is not known yet.
Money hold_amount(const Prices& prices, const Estimator::Estimate& estimate, const BillTerms& terms = {});

/// The most that a call can use (budget_mode: strict).
struct WorstCase {
  std::uint64_t prompt_tokens = 0;  // Counted.
  std::uint64_t messages = 1;
  std::uint64_t output_cap = 0;
  std::uint64_t milliseconds = 0;  // For models charged by time.
  bool media = false;              // Any part of it may be audio or images.
};
/// The tokens of prompt and answer then: the counted prompt with 5 % and a margin for its framing, and `output_cap`.
std::uint64_t worst_tokens(const WorstCase& worst);

/// The counted prompt with 5 % and a margin for its framing at the dearest price a prompt token can have (plain,
/// five-minute or one-hour cache write), `output_cap` at the dearer of text and reasoning; at the dearer of the asked
/// service tier and the standard one, which the provider may fall back to.
Money hold_amount_strict(const Prices& prices, const WorstCase& worst, const BillTerms& terms = {});

}  // namespace turnpike::price
