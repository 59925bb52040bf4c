#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "drill/advice.h"
#include "drill/outcome.h"
#include "drill/plan.h"
#include "drill/score.h"

namespace turnpike::drill {

/// All that a drill has found.
struct Report {
  std::string config;  // As named on the command line.
  const config::Settings& settings;
  Groups groups;
  Clock clock;
  std::vector<Outcome> outcomes;
  std::vector<Verdict> verdicts;   // One for each outcome.
  std::vector<std::string> notes;  // About the configuration: deployments that cannot be built and the like.
  std::vector<Advice> advice;
  std::chrono::milliseconds took{0};
};

/// For people: at most 100 columns.
std::string to_text(const Report& report);
/// For programs; docs/guide/drill.md names the fields.
std::string to_json(const Report& report);

}  // namespace turnpike::drill
