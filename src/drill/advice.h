#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "drill/outcome.h"
#include "drill/plan.h"
#include "drill/score.h"

namespace turnpike::drill {

/// Something that the configuration lacks: what follows from it, and the lines that help.
struct Advice {
  std::string text;
  std::vector<std::string> lines;  // Of the configuration file, to be added; may be none.
  bool operator==(const Advice&) const = default;
};

/// What is missing, the gravest first; pure. `settings` as the file has them, keys told apart.
std::vector<Advice> advise(const config::Settings& settings, const Groups& groups, const std::vector<Outcome>& outcomes,
                           const std::vector<Verdict>& verdicts);

}  // namespace turnpike::drill
