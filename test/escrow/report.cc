#include "report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace turnpike::escrow {
namespace {

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double quantile_ms(std::vector<std::int64_t>& waits_us, double part) {
  if (waits_us.empty()) return 0;
  const auto at = waits_us.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(waits_us.size() - 1));
  std::ranges::nth_element(waits_us, at);
  return static_cast<double>(*at) / 1000;
}

/// A simulation in which one of these never happens has shown nothing about it.
constexpr std::array<std::string_view, 42> kExpected = {
    "records lost to power cuts",
    "records written in part",
    "entries that only the database has",
    "holds whose entries only the database had",
    "entry numbers without an entry",
    "entries numbered anew",
    "answers that waited for the disk",
    "calls closed before the database was heard",
    "ends before the database was heard",
    "rows that a fail-over forgot",
    "replicas that heard of lost commits",
    "leases restored",
    "replicas written off",
    "replicas released",
    "leases reclaimed",
    "holds extended",
    "windows without a lease that a restart found in its journal",
    "calls booked above their cost after a power cut",
    "extensions that waited",
    "extensions refused",
    "holds that grew with their stream",
    "callers that hung up while they waited",
    "calls on strict accounts and others",
    "calls in another window than the database's clock",
    "bookings outside of leases",
    "calls that crossed",
    "limits set while money is out",
    "limits removed while money is out",
    "limits raised while money is out",
    "limits lowered while money is out",
    "spend edited up while money is out",
    "spend edited down while money is out",
    "a window turns in a kill",
    "a window turns in two kills",
    "a window turns in a power cut",
    "a window turns in a torn tail",
    "a window turns in a lost disk",
    "a window turns in ledger forget",
    "a window turns in a cut",
    "a window turns in a fail-over",
    "a window turns in a stopped database",
    "a window turns in a slow database",
};

}  // namespace

std::string Sum::name() const {
  const std::string_view modes = mode == Mode::Strict    ? "strict"
                                 : mode == Mode::Default ? "default"
                                                         : "strict and default";
  return fmt::format("{}, {}", modes, faults ? "faults" : "healthy");
}

bool Sum::holds() const {
  return percent(tally.on_way_low_small, tally.calls) <= most_percent;
}

std::vector<Sum> new_sums() {
  return {{Mode::Strict, true, 0.06},  {Mode::Default, true, 0.01}, {Mode::Mixed, true, 0.06},
          {Mode::Strict, false, 0.05}, {Mode::Default, false, 0},   {Mode::Mixed, false, 0.05}};
}

Sum& sum_of(std::vector<Sum>& sums, const Plan& plan) {
  return *std::ranges::find_if(sums,
                               [&](const Sum& sum) { return sum.mode == plan.mode && sum.faults == plan.faults; });
}

void print(Sum& sum) {
  if (sum.seeds == 0) return;
  Tally& t = sum.tally;
  const auto falsely = [&](Cause cause) { return t.falsely[static_cast<std::size_t>(cause)]; };
  fmt::print("{}: {} seeds, {} calls, {:.1f} % refused, {:.1f} % unavailable, {:.2f} operations a call\n", sum.name(),
             sum.seeds, t.calls, percent(t.refused, t.calls), percent(t.unavailable, t.calls),
             t.calls == 0 ? 0 : static_cast<double>(t.operations) / static_cast<double>(t.calls));
  fmt::print(
      "  falsely refused, money on its way: {} (below 90 % of every budget {}, those of 20 holds or more {} = {:.4f} "
      "%, "
      "at most {} %)\n",
      falsely(Cause::OnItsWay), t.on_way_low, t.on_way_low_small, percent(t.on_way_low_small, t.calls),
      sum.most_percent);
  fmt::print(
      "  overtaken {}; money out of reach: disk lost {}, replica down {}, cut off {}, no database {} ({:.1f} %)\n",
      falsely(Cause::Overtaken), falsely(Cause::DiskLost), falsely(Cause::Down), falsely(Cause::CutOff),
      falsely(Cause::NoDatabase),
      percent(falsely(Cause::DiskLost) + falsely(Cause::Down) + falsely(Cause::CutOff) + falsely(Cause::NoDatabase),
              t.calls));
  fmt::print(
      "  waited p50 {:.1f} p99 {:.1f} p99.9 {:.1f} ms; {} of {} windows over their limit, the worst by {:.1f} % "
      "of it",
      quantile_ms(t.waits_us, 0.5), quantile_ms(t.waits_us, 0.99), quantile_ms(t.waits_us, 0.999), t.windows_over,
      t.windows, 100 * t.worst_overshoot);
  if (t.worst_of_bound > 0) fmt::print(" and {:.2f} of the bound", t.worst_of_bound);
  fmt::print("\n");
}

bool print_seen(const std::vector<Sum>& sums, bool all_expected) {
  Tally all;
  for (const Sum& sum : sums) all.add(sum.tally);
  fmt::print("what happened:\n");
  for (const auto& [what, times] : all.seen) fmt::print("  {:>8} {}\n", times, what);
  bool good = true;
  for (const std::string_view what : kExpected) {
    if (!all_expected || all.seen[std::string(what)] > 0) continue;
    fmt::print("FAILED: never seen: {}\n", what);
    good = false;
  }
  return good;
}

}  // namespace turnpike::escrow
