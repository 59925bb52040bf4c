#pragma once

#include <cstdint>
#include <vector>

#include "plan.h"

namespace turnpike::escrow {

struct Booking {
  LeaseKey key;
  bool covered = true;  // By a lease; else it counts into the base of the account.
};

/// One call, as its caller knows it.
struct Call {
  std::int64_t number = 0;
  int key = 0;
  std::int64_t replica_no = 0;
  std::int64_t arrived_us = 0;
  std::int64_t hold_nano = 0;
  std::int64_t cost_nano = 0;
  std::int64_t length_us = 0;
  // A second attempt after one that was billed: what it adds to the hold, and to the cost if it is made. 0: none.
  std::int64_t more_hold_nano = 0, more_cost_nano = 0;
  bool streams = false;           // Its hold grows when it is outgrown.
  std::int64_t patience_us = 0;   // How long the caller waits to be admitted; 0: for ever.
  std::vector<Booking> bookings;  // Where it is booked: fixed when it starts.
};

/// What a journal's ENTRY says, as far as money goes.
struct Entry {
  std::int64_t entry_no = 0;
  std::int64_t call = 0;  // 0: a number that nobody can explain any more.
  std::int64_t cost_nano = 0;
  std::vector<Booking> bookings;
};

struct Batch {
  std::int64_t replica_no = 0;
  std::int64_t epoch = 0;
  std::vector<Entry> entries;  // Dense.
};

}  // namespace turnpike::escrow
