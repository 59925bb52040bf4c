#include "router/capacity.h"

#include <algorithm>
#include <cmath>

namespace turnpike::router {
namespace {

constexpr double kRounding = 1e-9;  // A tenth of 100 is 10, whatever binary fractions make of it.

std::int64_t part(double fraction, std::int64_t capacity) {
  return static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(capacity) + kRounding));
}

std::optional<std::int64_t> sum_of(std::span<const DeploymentRef> deployments,
                                   std::optional<double> Deployment::* unit) {
  double sum = 0;
  bool is_said = false;
  for (const DeploymentRef& deployment : deployments) {
    is_said = is_said || ((*deployment).*unit).has_value();
    sum += ((*deployment).*unit).value_or(0);
  }
  if (!is_said) return std::nullopt;
  return static_cast<std::int64_t>(sum);
}

double fraction_of(const config::PriorityShare& share, const Capacity& capacity) {
  if (share.of == config::PriorityShare::Of::Capacity) return share.value;
  const std::optional<std::int64_t> whole =
      share.of == config::PriorityShare::Of::Requests ? capacity.requests : capacity.tokens;
  if (!whole) return 1;  // Nothing to have a share in: the model's other limit is all there is.
  return *whole == 0 ? 0 : std::min(share.value / static_cast<double>(*whole), 1.0);
}

}  // namespace

std::int64_t Capacity::Share::of(std::int64_t capacity) const {
  return part(fraction, capacity);
}

const Capacity::Share& Capacity::share_of(std::string_view priority) const {
  const auto own = std::ranges::find(shares, priority, &Share::priority);
  return own == shares.end() ? others : *own;
}

std::int64_t Capacity::crowded_at(std::int64_t capacity) const {
  return part(crowded_from, capacity);
}

Capacity capacity_of(std::string_view model, std::span<const DeploymentRef> deployments,
                     const config::PrioritySettings& settings) {
  Capacity capacity;
  capacity.model = model;
  capacity.requests = sum_of(deployments, &Deployment::rpm);
  capacity.tokens = sum_of(deployments, &Deployment::tpm);
  capacity.others = {"default_priority", settings.default_priority};
  capacity.crowded_from = settings.saturation_threshold;
  double sum = 0;
  for (const auto& [name, share] : settings.reserved) {
    capacity.shares.push_back({name, fraction_of(share, capacity)});
    sum += capacity.shares.back().fraction;
  }
  const bool is_overcommitted = sum > 1 + kRounding;
  for (Capacity::Share& share : capacity.shares) {
    if (is_overcommitted) share.fraction /= sum;
  }
  return capacity;
}

}  // namespace turnpike::router
