#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace turnpike::escrow {

/// Why a call was refused that a single ledger would have admitted.
enum class Cause : std::uint8_t {
  OnItsWay,    // The money was coming back.
  Overtaken,   // It went to a call that came later.
  DiskLost,    // It lay with a replica that is lost,
  Down,        // one that is down for now,
  CutOff,      // or one that cannot be reached;
  NoDatabase,  // or the database cannot be reached by anybody.
};
constexpr std::size_t kCauses = 6;

/// What came of a simulation, or of many.
struct Tally {
  std::uint64_t calls = 0, admitted = 0, refused = 0, unavailable = 0;
  // Falsely refused; `low`: below 90 % of every budget, `low_small`: and budgets of at least 20 mean holds.
  std::array<std::uint64_t, kCauses> falsely{};
  std::uint64_t on_way_low = 0, on_way_low_small = 0;
  std::vector<std::string> on_way_calls;  // The latter.
  std::uint64_t operations = 0, heartbeats = 0;
  std::uint64_t windows = 0, windows_over = 0;
  double worst_overshoot = 0;  // Of a budget, in parts of it.
  double worst_of_bound = 0;   // Overshoot in parts of what is allowed.
  std::vector<std::int64_t> waits_us;
  std::map<std::string, std::uint64_t> seen;  // What happened, how often.

  void add(const Tally& other);
};

}  // namespace turnpike::escrow
