#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "db/database.h"
#include "journal/entry_row.h"

namespace turnpike::ledger {

/// Everything that is summed from rows in the transaction that stores them: totals of account windows, in money or in
/// tokens as their account counts, the aggregates
/// that reports are read from, days of the replica. The rows must outlive it.
class ShipSums {
 public:
  void add(const journal::EntryRow& row);
  Status write(db::Transaction& transaction, std::int64_t replica_no) const;
  /// The windows whose totals are moved: account, window.
  std::vector<std::pair<std::int64_t, std::int64_t>> windows() const;

 private:
  // Kinds of spec money 4.
  static constexpr std::int16_t kOrganization = 2, kTeam = 3, kUser = 5, kKey = 6, kEndUser = 7, kTag = 8;
  struct Total {
    std::int64_t cost_nano = 0;
    std::int64_t calls = 0;
  };
  // Day, entity kind, entity, key, model group, model, provider, route.
  using DailyKey = std::tuple<std::int64_t, std::int16_t, std::string_view, std::string_view, std::string_view,
                              std::string_view, std::string_view, std::string_view>;
  // Day, deployment, model group, model, provider, address.
  using DeploymentKey = std::tuple<std::int64_t, std::string_view, std::string_view, std::string_view, std::string_view,
                                   std::string_view>;

  void add_tags(const journal::EntryRow& row);
  void add_daily(const journal::EntryRow& row, std::int16_t kind, std::string_view entity);
  void add_deployment(const journal::EntryRow& row);
  Status write_leases(db::Transaction& transaction, std::int64_t replica_no) const;

  std::set<std::string> tag_names_;  // What keys of `daily_` look at.
  // Ordered maps: rows are locked in one order everywhere.
  using WindowKey = std::pair<std::int64_t, std::int64_t>;
  std::map<WindowKey, Total> windows_;
  std::map<WindowKey, std::int64_t> used_, uncovered_;  // What is booked by lease, and beside all leases.
  std::map<std::int64_t, Total> days_;
  std::map<DailyKey, std::array<std::int64_t, 8>> daily_;
  std::map<DeploymentKey, std::array<std::int64_t, 6>> deployments_;
};

}  // namespace turnpike::ledger
