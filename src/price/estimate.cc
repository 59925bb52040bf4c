#include "price/estimate.h"

#include <algorithm>
#include <cmath>

namespace turnpike::price {
namespace {

constexpr std::uint32_t kSamplesMax = 256;
constexpr double kFactorWidth = 1.0 / 16.0;
constexpr std::uint64_t kFactorPromptMin = 1024;  // Below this a prompt is not worth caching and pays list price.

/// Upper edge of bucket `i`: 16, 22, 32, 45, ... 131072 and beyond.
std::uint64_t upper_edge(std::size_t i) {
  return static_cast<std::uint64_t>(std::lround(16.0 * std::pow(2.0, static_cast<double>(i) / 2.0)));
}

template <std::size_t N>
void add_sample(std::array<std::uint16_t, N>& counts, std::uint32_t& samples, std::size_t bucket) {
  ++counts[std::min(bucket, N - 1)];
  if (++samples < kSamplesMax) return;
  samples = 0;
  for (std::uint16_t& count : counts) {
    count = static_cast<std::uint16_t>(count / 2);
    samples += count;
  }
}

template <std::size_t N>
std::size_t quantile_bucket(const std::array<std::uint16_t, N>& counts, std::uint32_t samples, double quantile) {
  const double wanted = quantile * samples;
  double seen = 0;
  for (std::size_t i = 0; i < N; ++i) {
    seen += counts[i];
    if (seen >= wanted) return i;
  }
  return N - 1;
}

}  // namespace

void Learned::add_output(std::uint64_t tokens) {
  std::size_t bucket = 0;
  while (bucket + 1 < output.size() && tokens > upper_edge(bucket)) ++bucket;
  add_sample(output, output_samples, bucket);
}

void Learned::add_input_factor(double factor) {
  const double bucket = std::ceil(std::max(0.0, factor) / kFactorWidth) - 1;
  add_sample(input_factor, input_samples, static_cast<std::size_t>(std::max(0.0, std::min(bucket, 1000.0))));
}

void Learned::add_prompt(std::uint64_t bytes, std::uint64_t tokens) {
  if (tokens == 0) return;
  constexpr double kWeight = 0.1;
  const double ratio = std::clamp(static_cast<double>(bytes) / static_cast<double>(tokens), 0.5, 64.0);
  bytes_per_token += (ratio - bytes_per_token) * kWeight;
}

Learned* Estimator::find(const std::string& name) {
  const auto row = rows_.find(name);
  if (row == rows_.end()) return nullptr;
  order_.splice(order_.begin(), order_, row->second.place);
  return &row->second.learned;
}

Learned& Estimator::get(const std::string& name, std::size_t rows_max) {
  if (Learned* known = find(name)) return *known;
  while (!order_.empty() && rows_.size() >= rows_max) {
    rows_.erase(order_.back());
    order_.pop_back();
  }
  order_.push_front(name);
  Row& row = rows_[name];
  row.place = order_.begin();
  return row.learned;
}

Estimator::Estimate Estimator::estimate(std::string_view key, std::string_view group, std::uint64_t prompt_bytes,
                                        std::uint64_t caller_cap, std::uint64_t model_cap, bool reasoning,
                                        const Settings& settings) {
  name_.assign(key).append("\n").append(group);
  const Learned* own = find(name_);
  name_.assign("\n").append(group);
  const Learned* shared = find(name_);

  Estimate estimate;
  const double ratio = own != nullptr ? own->bytes_per_token : shared != nullptr ? shared->bytes_per_token : 4.0;
  estimate.prompt_tokens = static_cast<std::uint64_t>(static_cast<double>(prompt_bytes) / ratio) + 1;

  const Learned* output = own != nullptr && own->output_samples >= kSamplesMin ? own : shared;
  std::uint64_t expected = reasoning ? settings.output_prior_reasoning : settings.output_prior;
  if (output != nullptr && output->output_samples >= kSamplesMin) {
    expected = upper_edge(quantile_bucket(output->output, output->output_samples, settings.quantile));
  }
  std::uint64_t cap = settings.output_tokens_max;
  if (caller_cap != 0) cap = std::min(cap, caller_cap);
  if (model_cap != 0) cap = std::min(cap, model_cap);
  estimate.output_tokens = std::min(expected, cap);

  if (own != nullptr && own->input_samples >= kSamplesMin && estimate.prompt_tokens >= kFactorPromptMin) {
    const std::size_t bucket = quantile_bucket(own->input_factor, own->input_samples, settings.quantile);
    estimate.input_factor = static_cast<double>(bucket + 1) * kFactorWidth;
  }
  return estimate;
}

void Estimator::learn(std::string_view key, std::string_view group, std::uint64_t prompt_bytes,
                      std::uint64_t prompt_tokens, std::uint64_t output_tokens, double input_factor,
                      std::size_t rows_max) {
  for (const bool shared : {false, true}) {
    name_.assign(shared ? std::string_view() : key).append("\n").append(group);
    Learned& row = get(name_, rows_max);
    row.add_output(output_tokens);
    row.add_prompt(prompt_bytes, prompt_tokens);
    if (prompt_tokens >= kFactorPromptMin) row.add_input_factor(input_factor);
  }
}

Money held_for(const Prices& prices, const domain::Usage& usage, const BillTerms& terms) {
  const Bill bill = bill_rounded_up(prices, usage, terms);
  return bill.absurd && prices.known() ? kUnaffordable : bill.cost;
}

Money hold_amount(const Prices& prices, const Estimator::Estimate& estimate, const BillTerms& terms) {
  domain::Usage usage;
  usage.set(domain::Unit::InputTokens, estimate.prompt_tokens);
  const bool learned = estimate.input_factor < 1.0;
  const Money input = learned ? held_for(prices, usage, terms) : Money();
  usage.set(domain::Unit::OutputTokens, estimate.output_tokens);
  add_own_units(usage, prices, estimate.milliseconds);
  const Money all = held_for(prices, usage, terms);
  if (!learned || all == kUnaffordable) return all;
  // A learned share of the input's list price: an estimate, so binary arithmetic may round it up here.
  const double share = std::ceil(static_cast<double>(input.nano()) * estimate.input_factor);
  return all - input + Money::from_nano(static_cast<std::int64_t>(share));
}

namespace {

std::uint64_t worst_prompt(const WorstCase& worst) {
  return worst.prompt_tokens + (worst.prompt_tokens + 19) / 20 + 64 + 8 * worst.messages;
}

std::uint64_t worst_output(const WorstCase& worst) {
  return std::min(worst.output_cap, domain::kUnitCountMax + 1);
}

}  // namespace

std::uint64_t worst_tokens(const WorstCase& worst) {
  return worst_prompt(worst) + worst_output(worst);
}

Money hold_amount_strict(const Prices& prices, const WorstCase& worst, const BillTerms& terms) {
  using domain::Unit;
  constexpr Unit kInputs[] = {Unit::InputTokens, Unit::CacheWriteTokens, Unit::CacheWrite1hTokens,
                              Unit::AudioInputTokens, Unit::ImageInputTokens};
  constexpr Unit kOutputs[] = {Unit::OutputTokens, Unit::ReasoningTokens, Unit::AudioOutputTokens,
                               Unit::ImageOutputTokens};
  const auto is_media = [](Unit unit) {
    return unit == Unit::AudioInputTokens || unit == Unit::ImageInputTokens || unit == Unit::AudioOutputTokens ||
           unit == Unit::ImageOutputTokens;
  };
  Money dearest;
  for (const ServiceTier service : {ServiceTier::Standard, terms.service}) {
    for (const Unit input : kInputs) {
      for (const Unit output : kOutputs) {
        if (!worst.media && (is_media(input) || is_media(output))) continue;
        domain::Usage usage;
        usage.set(input, worst_prompt(worst));
        usage.set(output, worst_output(worst));
        add_own_units(usage, prices, worst.milliseconds);
        dearest = std::max(dearest, held_for(prices, usage, {service, terms.factors_ppb, {}}));
      }
    }
  }
  return dearest;
}

}  // namespace turnpike::price
