#include "drill/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "router/wildcard.h"

namespace turnpike::drill {
namespace {

/// Above this a silent provider keeps a caller for longer than people wait.
constexpr std::chrono::seconds kPatientTimeout{600};

std::string provider_of(const config::ModelEntry& entry) {
  if (!entry.custom_llm_provider.empty()) return entry.custom_llm_provider;
  return entry.model.substr(0, entry.model.find('/'));
}

/// The same company, account and address: what strikes one strikes the other.
bool same_account(const config::ModelEntry& a, const config::ModelEntry& b) {
  return provider_of(a) == provider_of(b) && a.api_base == b.api_base && a.api_key.equals(b.api_key.reveal()) &&
         a.provider_params.size() == b.provider_params.size() &&
         std::ranges::equal(a.provider_params, b.provider_params, [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.equals(y.second.reveal());
         });
}

const Group* find_group(const Groups& groups, std::string_view name) {
  for (const Group& group : groups.drilled) {
    if (group.name == name || router::Wildcard(group.name).match(name)) return &group;
  }
  return nullptr;
}

bool share_account(const config::Settings& settings, const Group& a, const Group& b) {
  return std::ranges::all_of(b.deployments, [&](std::size_t theirs) {
    return std::ranges::any_of(
        a.deployments, [&](std::size_t ours) { return same_account(settings.models[ours], settings.models[theirs]); });
  });
}

/// Whom to fall back to: a group that does the same, at another account if there is one.
const Group* proposal(const config::Settings& settings, const Groups& groups, const Group& group) {
  const Group* same = nullptr;
  for (const Group& other : groups.drilled) {
    if (&other == &group || other.operation != group.operation || other.name == "*") continue;
    if (!share_account(settings, group, other)) return &other;
    if (same == nullptr) same = &other;
  }
  return same;
}

std::string name_of_fallback(const Group& group) {
  return group.name.find('*') == std::string::npos ? group.name : group.asked;
}

/// A name as it may stand in YAML.
std::string yaml_name(const std::string& name) {
  return name.find_first_of("*:#[]{}, ") == std::string::npos ? name : "\"" + name + "\"";
}

std::string count_of(std::size_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

/// The faults, each counted once whatever the forms of answer, and those of them that `wanted` holds for.
template <class Wanted>
std::pair<std::size_t, std::size_t> count_faults(const std::vector<Outcome>& outcomes, std::size_t group,
                                                 Wanted wanted) {
  std::set<std::string_view> all, some;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Scenario& scenario = *outcomes[i].scenario;
    if (scenario.group != group || scenario.fault == &no_fault()) continue;
    all.insert(scenario.fault->name);
    if (wanted(i)) some.insert(scenario.fault->name);
  }
  return {some.size(), all.size()};
}

struct Adviser {
  const config::Settings& settings;
  const Groups& groups;
  const std::vector<Outcome>& outcomes;
  const std::vector<Verdict>& verdicts;
  std::vector<Advice> advice = {};

  void fallbacks();
  void siblings_not_asked();
  void shared_accounts();
  void not_served();
  void long_windows();
  void retries();
  void times();
};

void Adviser::fallbacks() {
  std::vector<std::string> counts;
  Advice missing{{}, {"router_settings:", "  fallbacks:"}};
  for (std::size_t i = 0; i < groups.drilled.size(); ++i) {
    const Group& group = groups.drilled[i];
    const auto reached = [&](std::size_t at) { return verdicts[at].reached && !outcomes[at].scenario->only; };
    const auto [some, all] = count_faults(outcomes, i, reached);
    if (!group.fallbacks.empty() || some == 0) continue;
    const Group* other = proposal(settings, groups, group);
    const std::string target = other == nullptr ? "a-group-at-another-provider" : yaml_name(name_of_fallback(*other));
    missing.lines.push_back("    - " + yaml_name(group.name) + ": [" + target + "]");
    counts.push_back(fmt::format("{} {} of {}", group.name, some, all));
    missing.text = fmt::format("{} has {} and no fallback: {} of {} faults reach its callers. Add:", group.name,
                               count_of(group.deployments.size(), "deployment"), some, all);
  }
  if (counts.empty()) return;
  if (counts.size() > 1) {
    missing.text =
        fmt::format("{} groups have no fallback; so many faults reach their callers: {}. Add:", counts.size(),
                    fmt::join(counts, ", "));
  }
  advice.push_back(std::move(missing));
}

/// A silent deployment may take all of the call's time, unless it has a limit of its own.
void Adviser::siblings_not_asked() {
  for (std::size_t i = 0; i < groups.drilled.size(); ++i) {
    const auto reached = [&](std::size_t at) {
      return verdicts[at].reached && outcomes[at].scenario->only && outcomes[at].seen.status == 408;
    };
    const std::size_t some = count_faults(outcomes, i, reached).first;
    if (some == 0) continue;
    advice.push_back(
        {fmt::format("{}: one deployment of {} falls silent and uses up the call's time, though the others "
                     "are well. Give its deployments a limit of their own, well below the call's:",
                     groups.drilled[i].name, groups.drilled[i].deployments.size()),
         {"litellm_params:", "  timeout: 30"}});
  }
}

void Adviser::shared_accounts() {
  for (const Group& group : groups.drilled) {
    std::vector<const Group*> served;
    for (const std::string& name : group.fallbacks) {
      if (const Group* fallback = find_group(groups, name)) served.push_back(fallback);
    }
    const auto shares = [&](const Group* fallback) { return share_account(settings, group, *fallback); };
    if (served.empty() || !std::ranges::all_of(served, shares)) continue;
    advice.push_back({fmt::format("{} falls back only to groups at the same provider with the same key: a wrong key, "
                                  "exhausted credit or an outage there strikes them together. Add one elsewhere.",
                                  group.name),
                      {}});
  }
}

void Adviser::not_served() {
  std::set<std::string> told;
  for (const Group& group : groups.drilled) {
    for (const std::string& name : group.fallbacks) {
      const bool known = find_group(groups, name) != nullptr ||
                         std::ranges::any_of(groups.left_out, [&](const LeftOut& out) { return out.name == name; }) ||
                         std::ranges::any_of(settings.models, [&](const config::ModelEntry& entry) {
                           return entry.model_name == name || entry.id == name || entry.model == name;
                         });
      const bool alias = std::ranges::any_of(settings.router.model_group_alias,
                                             [&](const config::GroupAlias& one) { return one.alias == name; });
      if (known || alias || !told.insert(name).second) continue;
      advice.push_back({fmt::format("The fallback {} of {} is not served.", name, group.name), {}});
    }
  }
}

/// A prompt that is too long for a group helps itself only where a longer window waits.
void Adviser::long_windows() {
  Advice missing{{}, {"router_settings:", "  context_window_fallbacks:"}};
  for (const Group& group : groups.drilled) {
    if (!group.streams() || group.input_tokens_max == 0) continue;
    const auto longer = [&](const Group& other) {
      return other.operation == group.operation && other.input_tokens_max > group.input_tokens_max;
    };
    const bool waits = std::ranges::any_of(group.context_window_fallbacks, [&](const std::string& name) {
      const Group* fallback = find_group(groups, name);
      return fallback == nullptr || longer(*fallback);
    });
    const auto other = std::ranges::find_if(groups.drilled, longer);
    if (waits || other == groups.drilled.end()) continue;
    missing.text += fmt::format("{}{} ({} tokens; {} takes {})", missing.text.empty() ? "" : ", ", group.name,
                                group.input_tokens_max, other->name, other->input_tokens_max);
    missing.lines.push_back("    - " + yaml_name(group.name) + ": [" + yaml_name(name_of_fallback(*other)) + "]");
  }
  if (missing.text.empty()) return;
  missing.text =
      "Prompts too long for a group are refused, though another takes longer ones: " + missing.text + ". Add:";
  advice.push_back(std::move(missing));
}

void Adviser::retries() {
  if (settings.router.num_retries > 0) return;
  advice.push_back({"num_retries is 0: a fault that passes in a second is not tried again in its group. Set:",
                    {"router_settings:", "  num_retries: 2"}});
}

void Adviser::times() {
  const bool streams = std::ranges::any_of(groups.drilled, &Group::streams);
  const auto bounded = [&](std::size_t place) { return settings.models[place].timeout.has_value(); };
  const bool all_bounded = std::ranges::all_of(
      groups.drilled, [&](const Group& group) { return std::ranges::all_of(group.deployments, bounded); });
  if (settings.router.timeout >= kPatientTimeout && !all_bounded) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(settings.router.timeout).count();
    advice.push_back({fmt::format("A call may take {} s: a provider that falls silent keeps its callers for two thirds "
                                  "of that where a fallback waits, else for all of it. Set what callers wait for:",
                                  seconds),
                      {"router_settings:", "  timeout: 60"}});
  }
  const bool first_byte = settings.router.stream_timeout || std::ranges::any_of(settings.models, [](const auto& entry) {
                            return entry.stream_timeout.has_value();
                          });
  if (streams && !first_byte) {
    advice.push_back(
        {"stream_timeout is not set: a stream whose first byte does not come waits as long as a whole "
         "answer may take before somebody else is asked. Set:",
         {"router_settings:", "  stream_timeout: 15"}});
  }
}

}  // namespace

std::vector<Advice> advise(const config::Settings& settings, const Groups& groups, const std::vector<Outcome>& outcomes,
                           const std::vector<Verdict>& verdicts) {
  Adviser adviser{settings, groups, outcomes, verdicts};
  adviser.fallbacks();
  adviser.siblings_not_asked();
  adviser.not_served();
  adviser.shared_accounts();
  adviser.long_windows();
  adviser.retries();
  adviser.times();
  return std::move(adviser.advice);
}

}  // namespace turnpike::drill
