#include "drill/drill.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "config/document.h"
#include "drill/report.h"

namespace turnpike::drill {
namespace {

constexpr int kAllWell = 0;
constexpr int kBelow = 1;
constexpr int kNotDrilled = 2;

int refuse(const std::string& text) {
  fmt::print(stderr, "{}\n", text);
  return kNotDrilled;
}

Result<std::vector<const Fault*>> chosen_faults(const std::vector<std::string>& names) {
  std::vector<const Fault*> faults;
  for (const Fault& fault : catalogue()) {
    if (names.empty() ? &fault != &no_fault() : std::ranges::find(names, fault.name) != names.end())
      faults.push_back(&fault);
  }
  for (const std::string& name : names) {
    if (find_fault(name) != nullptr) continue;
    std::vector<std::string> known;
    for (const Fault& fault : catalogue()) known.emplace_back(fault.name);
    return base::fail(ErrorKind::InvalidRequest,
                      fmt::format("there is no fault {}; there are {}", name, fmt::join(known, ", ")));
  }
  return faults;
}

/// What the user should know of the configuration before he reads on.
std::vector<std::string> notes_of(const config::Settings& settings) {
  std::vector<std::string> notes;
  for (const std::string& line : settings.left_out) notes.push_back("left out: " + line);
  for (const std::string& line : settings.unenforced) {
    notes.push_back(line.substr(0, line.find(':')) + " by this version; serving needs --allow_unenforced for it");
  }
  return notes;
}

/// Where no group is left: a success would hide that nothing was tried.
std::string nothing_to_drill(const std::string& file, const config::Settings& settings, const Groups& groups) {
  std::string text;
  for (const std::string& line : settings.left_out) text += "left out: " + line + "\n";
  for (const LeftOut& group : groups.left_out) text += group.name + " is not drilled: " + group.why + "\n";
  return text + "error: " + file + " has no model that could be drilled" +
         (text.empty() ? "; fill its model_list" : "");
}

/// Groups that do not answer though nothing is wrong cannot be drilled: they are moved to those left out.
Groups that_answer(const Groups& groups, const std::vector<Outcome>& outcomes) {
  Groups kept;
  kept.left_out = groups.left_out;
  for (std::size_t i = 0; i < groups.drilled.size(); ++i) {
    const auto silent = std::ranges::find_if(outcomes, [&](const Outcome& outcome) {
      return outcome.scenario->group == i && outcome.seen.end != End::Answer;
    });
    if (silent == outcomes.end()) {
      kept.drilled.push_back(groups.drilled[i]);
    } else {
      const std::string why = silent->trouble.empty() ? silent->seen.error_message : silent->trouble;
      kept.left_out.push_back({groups.drilled[i].name, "no answer though nothing is wrong: " + why, true});
    }
  }
  return kept;
}

}  // namespace

int run(const Options& options, const Hooks& hooks) {
  if (options.config.empty()) return refuse("error: name the file: turnpike drill --config config.yaml");
  Result<std::vector<const Fault*>> faults = chosen_faults(options.faults);
  if (!faults) return refuse("error: " + faults.error().message);
  const auto text = config::read_file(options.config);
  if (!text) return refuse(config::format(text.error()));

  hide_secrets_of_environment();
  config::LoadOptions load;
  load.path = options.config;
  load.environment = staged_environment(*text);
  load.nobody_is_served = true;
  const config::Loaded loaded = hooks.load(*text, load);
  if (!loaded.settings) {
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      if (diagnostic.severity == config::Severity::Error) fmt::print(stderr, "{}\n", config::format(diagnostic));
    }
    return refuse(options.config + ": would not start, so there is nothing to drill");
  }

  Groups groups = groups_of(*loaded.settings, options.models);
  for (const std::string& name : options.models) {
    const auto named = [&](const auto& group) { return group.name == name; };
    if (std::ranges::none_of(groups.drilled, named) && std::ranges::none_of(groups.left_out, named))
      return refuse("error: there is no model_name " + name + " in " + options.config);
  }
  if (groups.drilled.empty()) return refuse(nothing_to_drill(options.config, *loaded.settings, groups));
  const Clock clock = clock_of(*loaded.settings);
  const config::SettingsRef staged = staged_settings(*loaded.settings, clock);
  if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "Playing; the report follows ...\n");
  const auto begun = std::chrono::steady_clock::now();
  const auto play = [&](const Groups& played, const std::vector<Scenario>& scenarios) -> Result<std::vector<Outcome>> {
    Result<std::unique_ptr<Player>> player = Player::open(played, staged, clock, hooks.start);
    if (!player) return base::fail(std::move(player.error()));
    return (*player)->play(scenarios, options.at_a_time);
  };
  const Fault* const nothing = &no_fault();
  const std::vector<Scenario> plain = scenarios_of(groups, {&nothing, 1});
  const Result<std::vector<Outcome>> sound = play(groups, plain);
  if (!sound) return refuse("error: " + sound.error().message);
  groups = that_answer(groups, *sound);

  faults->insert(faults->begin(), nothing);
  const std::vector<Scenario> scenarios = scenarios_of(groups, *faults);
  Result<std::vector<Outcome>> outcomes = play(groups, scenarios);
  if (!outcomes) return refuse("error: " + outcomes.error().message);

  Report report{options.config, *loaded.settings, groups, clock, std::move(*outcomes), {}, {}, {}};
  const Cap cap = cap_of(*staged);
  for (const Outcome& outcome : report.outcomes) report.verdicts.push_back(judge(outcome, clock, cap));
  report.notes = notes_of(*loaded.settings);
  report.advice = advise(*loaded.settings, groups, report.outcomes, report.verdicts);
  report.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  fmt::print("{}", options.json ? to_json(report) : to_text(report));
  std::fflush(stdout);
  const bool all_answer = std::ranges::none_of(groups.left_out, &LeftOut::silent);
  return all_answer && score_of(report.outcomes, report.verdicts, false).passed.full() ? kAllWell : kBelow;
}

}  // namespace turnpike::drill
