#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "domain/call_record.h"
#include "drill/fault.h"

namespace turnpike::drill {

/// A public model group as it is drilled.
struct Group {
  std::string name;   // model_name, may hold '*'.
  std::string asked;  // The name that calls ask for.
  domain::Operation operation = domain::Operation::Chat;
  std::vector<std::size_t> deployments;  // Places in Settings::models.
  std::vector<std::string> fallbacks;    // As configured for this group, general list.
  std::vector<std::string> context_window_fallbacks;
  std::vector<std::string> content_policy_fallbacks;
  std::uint64_t input_tokens_max = 0;  // The longest prompt a deployment of it takes; 0: not known.

  bool streams() const { return domain::writes_text(operation); }
};

/// A group that is not drilled, and why.
struct LeftOut {
  std::string name;
  std::string why;
  bool silent = false;  // It does not answer, though nothing is wrong.
};

struct Groups {
  std::vector<Group> drilled;
  std::vector<LeftOut> left_out;
};

/// The groups of a configuration; `wanted` empty: all of them, else those named.
Groups groups_of(const config::Settings& settings, std::span<const std::string> wanted);

/// The configured fallbacks of a group: by name, without provider prefix, "*".
std::vector<std::string> fallbacks_of(const std::vector<config::Fallback>& lists, std::string_view group);

/// One call under one fault.
struct Scenario {
  std::size_t number = 0;
  std::size_t group = 0;  // Place in Groups::drilled.
  const Fault* fault = nullptr;
  bool stream = false;
  /// The fault is on this deployment alone (a place in Settings::models); nothing: on all of the group.
  std::optional<std::size_t> only;
  /// Somebody who is well can answer: a sibling, or a fallback that this fault leads to.
  bool rescue = false;
};

/// Every fault on all deployments of each group, and on one of them where it has several; each form of answer.
std::vector<Scenario> scenarios_of(const Groups& groups, std::span<const Fault* const> faults);

/// What is asked: the path and a body for the group's operation.
std::string_view path_of(domain::Operation operation);
std::string body_of(const Group& group, bool stream);

}  // namespace turnpike::drill
