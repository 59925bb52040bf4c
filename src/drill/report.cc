#include "drill/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "json/write.h"

namespace turnpike::drill {
namespace {

constexpr std::size_t kColumns = 96;

/// Criteria as the score names them.
constexpr std::string_view kCriterionTexts[kCriteria] = {
    "an answer, or a truthful error in OpenAI's dialect",
    "within the deadline",
    "attempts within the cap",
    "the ledger's entry equals the provider's account",
    "no error that a healthy fallback would avert",
};
constexpr std::string_view kCriterionNames[kCriteria] = {"truthful", "in_time", "in_cap", "booked", "answered"};

/// Breaks `text` at spaces; every line but the first begins with `indent`.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string out;
  std::size_t column = indent.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (!out.empty() && column + 1 + word.size() > kColumns) {
      out.append("\n").append(indent);
      column = indent.size();
    } else if (!out.empty()) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    at = end + 1;
  }
  return out;
}

/// "invalid_api_key" says more than its type "invalid_request_error"; a code that is the status again says nothing.
const std::string& error_word(const Seen& seen) {
  return seen.error_code.empty() || base::parse_unsigned(seen.error_code) ? seen.error_type : seen.error_code;
}

std::string seen_text(const Outcome& outcome) {
  const Seen& seen = outcome.seen;
  switch (seen.end) {
    case End::Answer:
      if (seen.refused) return "200 that says content_filter";
      return "answer from " + (seen.group.empty() ? "?" : seen.group);
    case End::Error:
      if (seen.retry_after > 0) return fmt::format("{}, retry in {} s", seen.status, seen.retry_after);
      return fmt::format("{} {}", seen.status, error_word(seen));
    case End::ErrorEvent:
      return fmt::format("part of it, then error {}", seen.error_code);
    case End::Cut:
      return seen.status == 0 ? "connection lost" : "part of it, then nothing";
    case End::Foreign:
      return fmt::format("{}, unreadable", seen.status);
    case End::Silence:
      return "nothing";
  }
  return {};
}

std::string result_text(const Scenario& scenario, const Verdict& verdict) {
  if (scenario.fault == &no_fault()) return verdict.passed() ? "-" : verdict.why;
  return verdict.passed() ? "ok" : verdict.why;
}

std::string billed_text(const Outcome& outcome) {
  if (!outcome.entry) return "?";
  if (outcome.entry->marked("cost_unknown")) return "no price";
  return (outcome.entry->marked("estimated") ? "~$" : "$") + outcome.entry->spend.to_string();
}

std::size_t attempts_of(const Outcome& outcome) {
  return outcome.entry ? outcome.entry->attempts.size() : 0;
}

/// One line of a group's table: an outcome, or the two forms of answer where they ended alike.
struct Line {
  const Outcome* outcome;
  const Verdict* verdict;
  bool both;  // Forms of answer.
  bool group_streams;
  std::int64_t ms;

  std::string title() const {
    const Fault& fault = *outcome->scenario->fault;
    const bool told_apart = !both && fault.whole && fault.streamed && group_streams;
    return std::string(fault.title) + (!told_apart ? "" : outcome->scenario->stream ? ", stream" : ", whole");
  }
};

bool alike(const Outcome& a, const Verdict& va, const Outcome& b, const Verdict& vb) {
  return a.scenario->fault == b.scenario->fault && a.scenario->only.has_value() == b.scenario->only.has_value() &&
         seen_text(a) == seen_text(b) && attempts_of(a) == attempts_of(b) && billed_text(a) == billed_text(b) &&
         result_text(*a.scenario, va) == result_text(*b.scenario, vb);
}

std::vector<Line> lines_of(const Report& report, std::size_t group, bool one_of_several) {
  std::vector<Line> lines;
  for (std::size_t i = 0; i < report.outcomes.size(); ++i) {
    const Outcome& outcome = report.outcomes[i];
    const Scenario& scenario = *outcome.scenario;
    if (scenario.group != group || scenario.only.has_value() != one_of_several) continue;
    const Verdict& verdict = report.verdicts[i];
    if (!lines.empty() && alike(*lines.back().outcome, *lines.back().verdict, outcome, verdict)) {
      lines.back().both = true;
      lines.back().ms = std::max(lines.back().ms, outcome.seen.ms);
      continue;
    }
    lines.push_back({&outcome, &verdict, false, report.groups.drilled[group].streams(), outcome.seen.ms});
  }
  return lines;
}

/// The part of a text that a column has room for.
std::string fitting(std::string text, std::size_t room) {
  if (text.size() <= room) return text;
  text.resize(room - 2);
  return text + "..";
}

constexpr std::size_t kSeenColumns = 34;
constexpr std::size_t kResultColumns = 12;  // A longer result stands on a line of its own.

void append_line(std::string& out, const Line& line) {
  const Outcome& outcome = *line.outcome;
  if (!outcome.trouble.empty()) {
    out += fmt::format("  {:<26} {}\n", line.title(), outcome.trouble);
    return;
  }
  const std::string result = result_text(*outcome.scenario, *line.verdict);
  const bool fits = result.size() <= kResultColumns;
  out +=
      fmt::format("  {:<26} {:<{}} {:>5} {:>11} {:>5}  {}\n", line.title(), fitting(seen_text(outcome), kSeenColumns),
                  kSeenColumns, attempts_of(outcome), billed_text(outcome), line.ms, fits ? result : "FAILED");
  if (!fits) out += fmt::format("  {:<26} {}\n", "", wrapped(result, std::string(29, ' ')));
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

void append_group(std::string& out, const Report& report, std::size_t at) {
  const Group& group = report.groups.drilled[at];
  const std::size_t count = group.deployments.size();
  const std::string asked = group.asked == group.name ? "" : ", asked as " + group.asked;
  const std::string head =
      fmt::format("{}{}: {} deployment{}, {}", group.name, asked, count, count == 1 ? "" : "s",
                  group.fallbacks.empty() ? std::string("no fallback") : "falls back to " + joined(group.fallbacks));
  out += "\n" + wrapped(head, "  ") + "\n";
  const auto table = [&](const std::string& name, const std::vector<Line>& lines) {
    out += fmt::format("\n  {:<26} {:<{}} {:>5} {:>11} {:>5}\n", name, "the caller saw", kSeenColumns, "tries",
                       "billed", "ms");
    for (const Line& line : lines) append_line(out, line);
  };
  table(count == 1 ? "fault" : "fault of all of them", lines_of(report, at, false));
  const std::vector<Line> single = lines_of(report, at, true);
  if (!single.empty()) table(fmt::format("fault of one of the {}", count), single);
}

std::string share_text(const Share& share) {
  if (share.of == 0) return "-";
  return fmt::format("{:>3} % ({} of {})", share.percent(), share.met, share.of);
}

void append_score(std::string& out, const Report& report) {
  const Score all = score_of(report.outcomes, report.verdicts, false);
  const Score rescued = score_of(report.outcomes, report.verdicts, true);
  out += fmt::format("\n{:<54} {:<20} {}\n\n", "Score", "all faults", "with a healthy fallback");
  for (std::size_t i = 0; i < kCriteria; ++i) {
    out += fmt::format("  {:<52} {:<20} {}\n", kCriterionTexts[i], share_text(all.met[i]), share_text(rescued.met[i]));
  }
  out += fmt::format("  {:<52} {:<20} {}\n", "all of these", share_text(all.passed), share_text(rescued.passed));
}

void append_advice(std::string& out, const Report& report) {
  if (report.advice.empty()) return;
  out += "\nWhat is missing\n";
  std::size_t number = 0;
  for (const Advice& advice : report.advice) {
    out += fmt::format("\n  {}. {}\n", ++number, wrapped(advice.text, "     "));
    if (!advice.lines.empty()) out += "\n";
    for (const std::string& line : advice.lines) out += "       " + line + "\n";
  }
}

std::string clock_text(const Clock& clock) {
  const auto seconds = [](std::chrono::milliseconds time) {
    return fmt::format("{:g} s", static_cast<double>(time.count()) / 1000);
  };
  if (!clock.shortened()) return fmt::format("A call may take {}, as configured.", seconds(clock.deadline));
  return fmt::format(
      "Limits of time are scaled: a call may take {} here and {} in your configuration; the others by "
      "the same factor, none below {}.",
      seconds(clock.deadline), seconds(clock.written), seconds(kLeastLimit));
}

std::size_t faults_in(const Report& report) {
  std::vector<std::string_view> names;
  for (const Outcome& outcome : report.outcomes) {
    if (outcome.scenario->fault != &no_fault()) names.push_back(outcome.scenario->fault->name);
  }
  std::ranges::sort(names);
  return static_cast<std::size_t>(std::ranges::unique(names).begin() - names.begin());
}

void write_share(json::Writer& writer, std::string_view name, const Share& share) {
  writer.key(name).begin_object();
  writer.key("met").number(static_cast<std::uint64_t>(share.met));
  writer.key("of").number(static_cast<std::uint64_t>(share.of));
  writer.key("percent").number(static_cast<std::uint64_t>(share.percent()));
  writer.end_object();
}

void write_score(json::Writer& writer, std::string_view name, const Score& score) {
  writer.key(name).begin_object();
  for (std::size_t i = 0; i < kCriteria; ++i) write_share(writer, kCriterionNames[i], score.met[i]);
  write_share(writer, "passed", score.passed);
  writer.end_object();
}

std::string_view end_name(End end) {
  switch (end) {
    case End::Answer:
      return "answer";
    case End::Error:
      return "error";
    case End::ErrorEvent:
      return "error_event";
    case End::Cut:
      return "cut";
    case End::Foreign:
      return "foreign";
    case End::Silence:
      return "silence";
  }
  return {};
}

void write_outcome(json::Writer& writer, const Report& report, std::size_t at) {
  const Outcome& outcome = report.outcomes[at];
  const Verdict& verdict = report.verdicts[at];
  const Scenario& scenario = *outcome.scenario;
  writer.begin_object();
  writer.key("group").string(report.groups.drilled[scenario.group].name);
  writer.key("fault").string(scenario.fault->name);
  writer.key("stream").boolean(scenario.stream);
  writer.key("struck").string(scenario.only ? "one" : "all");
  writer.key("healthy_fallback").boolean(scenario.rescue);
  writer.key("end").string(end_name(outcome.seen.end));
  writer.key("status").number(std::int64_t{outcome.seen.status});
  writer.key("answered_by").string(outcome.seen.end == End::Answer ? outcome.seen.group : "");
  writer.key("error_type").string(outcome.seen.error_type);
  writer.key("error_code").string(outcome.seen.error_code);
  writer.key("error_message").string(outcome.seen.error_message);
  writer.key("attempts").number(static_cast<std::uint64_t>(attempts_of(outcome)));
  writer.key("billed").raw(outcome.entry ? outcome.entry->spend.to_string() : "null");
  writer.key("estimated").boolean(outcome.entry && outcome.entry->marked("estimated"));
  writer.key("ms").number(outcome.seen.ms);
  for (std::size_t i = 0; i < kCriteria; ++i) writer.key(kCriterionNames[i]).boolean(verdict.met[i]);
  writer.key("passed").boolean(verdict.passed());
  writer.key("why").string(outcome.trouble.empty() ? verdict.why : outcome.trouble);
  writer.end_object();
}

}  // namespace

std::string to_text(const Report& report) {
  std::string out = "turnpike drill: " + report.config + "\n\n";
  out += wrapped(fmt::format("{} group{}, {} fault{}, {} calls in {:.1f} s. Scripted providers stand in for the real "
                             "ones: no key was read, nothing left this machine. {}",
                             report.groups.drilled.size(), report.groups.drilled.size() == 1 ? "" : "s",
                             faults_in(report), faults_in(report) == 1 ? "" : "s", report.outcomes.size(),
                             static_cast<double>(report.took.count()) / 1000, clock_text(report.clock)),
                 "") +
         "\n";
  for (const std::string& note : report.notes) out += wrapped("* " + note, "  ") + "\n";
  for (const LeftOut& group : report.groups.left_out) {
    out += wrapped("* " + group.name + " is not drilled: " + group.why, "  ") + "\n";
  }
  for (std::size_t i = 0; i < report.groups.drilled.size(); ++i) append_group(out, report, i);
  append_score(out, report);
  append_advice(out, report);
  return out;
}

std::string to_json(const Report& report) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  writer.key("config").string(report.config);
  writer.key("took_ms").number(static_cast<std::int64_t>(report.took.count()));
  writer.key("deadline_ms").number(static_cast<std::int64_t>(report.clock.deadline.count()));
  writer.key("configured_deadline_ms").number(static_cast<std::int64_t>(report.clock.written.count()));
  writer.key("score").begin_object();
  write_score(writer, "all", score_of(report.outcomes, report.verdicts, false));
  write_score(writer, "with_healthy_fallback", score_of(report.outcomes, report.verdicts, true));
  writer.end_object();
  writer.key("results").begin_array();
  for (std::size_t i = 0; i < report.outcomes.size(); ++i) write_outcome(writer, report, i);
  writer.end_array();
  writer.key("missing").begin_array();
  for (const Advice& advice : report.advice) {
    writer.begin_object().key("text").string(advice.text).key("lines").begin_array();
    for (const std::string& line : advice.lines) writer.string(line);
    writer.end_array().end_object();
  }
  writer.end_array().key("notes").begin_array();
  for (const std::string& note : report.notes) writer.string(note);
  writer.end_array().key("not_drilled").begin_array();
  for (const LeftOut& group : report.groups.left_out) {
    writer.begin_object().key("group").string(group.name).key("why").string(group.why).end_object();
  }
  writer.end_array().end_object();
  return out + "\n";
}

}  // namespace turnpike::drill
