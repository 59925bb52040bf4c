#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace turnpike::drill {

/// Where a fault is made.
enum class Place : std::uint8_t {
  Provider,   // The scripted provider answers so.
  Name,       // The address has a host that no name server knows,
  Handshake,  // or one that speaks no TLS where it should,
  Connect,    // or one that never takes the connection.
};

/// How far the fault lets a call come.
enum class Reach : std::uint8_t {
  NoContent,    // Nothing of an answer has left when it strikes: somebody else may answer.
  MidStream,    // The caller holds a part of the answer: all that is left is to say so.
  Request,      // It is the request that is refused: another model may take it.
  StillAnswers  // The answer comes all the same.
};

/// One line of the catalogue.
struct Fault {
  std::string_view name;   // For --fault.
  std::string_view title;  // In the report.
  Place place = Place::Provider;
  Reach reach = Reach::NoContent;
  std::string_view script = {};  // Of Place::Provider: the scripted provider's directives.
  bool whole = true;             // It strikes answers that come whole,
  bool streamed = true;          // and streams.
  /// What a caller may be told if nobody answers: the statuses of the class that the provider's own word belongs to.
  std::array<int, 4> statuses{};
  int retry_after = 0;          // Seconds that the provider says; passed on when its word is.
  bool no_usage = false;        // The answer does not say what it used.
  bool once_per_group = false;  // The group does not try it again: it may be on the bill, or is set up wrongly.

  bool tells(int status) const;
};

/// "none": the first line, which shows that the group answers at all; no fault.
std::span<const Fault> catalogue();
const Fault& no_fault();
/// Null when there is no such fault.
const Fault* find_fault(std::string_view name);

}  // namespace turnpike::drill
