#include "judge.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "price/prompt_tokens.h"
#include "price/tokenizer.h"

namespace turnpike::storm {
namespace {

using domain::EntryStatus;

constexpr std::string_view kCallId = "storm-";
constexpr std::string_view kDone = "data: [DONE]\n\n";
constexpr std::int64_t kTickUs = 30'000;   // Timers are this coarse, and a little more.
constexpr std::int64_t kLateUs = 200'000;  // A limit of time is kept when it is passed by no more (AC-TIME-1).
constexpr std::int64_t kLettingGoUs = 1'000'000;

std::string circumstances_of(const Case& ended, const domain::CallRecord& record) {
  std::string text =
      fmt::format("call {} ({}{}{}), status {}, {} ms, entry {}, cost {}, marks {}:", ended.ask.number,
                  kGroups[ended.ask.group], ended.ask.stream ? ", stream" : "", ended.left_us != 0 ? ", left" : "",
                  ended.exchange->status, (record.ended_us - record.started_us) / 1000,
                  domain::status_name(record.status), record.cost.nano(), domain::mark_names(record.marks));
  for (const domain::Attempt& attempt : record.attempts) {
    text += fmt::format(" [{} {} {} at {} for {} ms, {}+{}{}]", attempt.deployment_id, attempt.status,
                        attempt.error ? domain::kind_name(*attempt.error) : "ok",
                        (attempt.started_us - record.started_us) / 1000, (attempt.ended_us - attempt.started_us) / 1000,
                        attempt.usage.prompt_tokens(), attempt.usage.completion_tokens(),
                        attempt.usage.estimated ? " estimated" : "");
  }
  text += "; providers:";
  for (const auto& served : ended.served) {
    text += fmt::format(" [{} {} at {}{}{}]", kIds[served->deployment], name_of(served->fault),
                        (served->begun_us - record.started_us) / 1000, served->answering ? ", answering" : "",
                        served->whole ? ", whole" : "");
  }
  return text;
}

std::size_t deployment_of(std::string_view id) {
  return static_cast<std::size_t>(std::find(std::begin(kIds), std::end(kIds), id) - std::begin(kIds));
}

/// The text of an answer as its caller reads it, whole or in pieces.
std::string text_in(std::string_view body) {
  constexpr std::string_view kContent = "\"content\":\"";
  std::string text;
  for (std::size_t at = body.find(kContent); at != std::string_view::npos; at = body.find(kContent, at)) {
    at += kContent.size();
    const std::size_t end = body.find('"', at);
    text += body.substr(at, end - at);
    at = end;
  }
  return text;
}

/// A provider in such a state looks at the request before it fails.
bool looks_at_request(Fault fault) {
  switch (fault) {
    case Fault::None:
    case Fault::MissingUsage:
    case Fault::SilentEvent:
    case Fault::StallLate:
    case Fault::ErrorIn200:
    case Fault::Malformed:
    case Fault::CutEarly:
    case Fault::CutLate:
      return true;
    default:
      return false;
  }
}

/// What the provider sent last may have been on its way when the gateway closed.
bool was_overtaken(const Served& served, const domain::Attempt& attempt) {
  const bool closed = served.let_go || served.left || attempt.error == ErrorKind::Timeout;
  return closed && served.sent_us >= attempt.ended_us - kTickUs;
}

/// What a caller is told when the first provider that was asked fails like this; 0: anything that is no success.
int status_of(Fault fault, std::size_t deployment, const Ask& ask) {
  const bool openai = deployment == 0 || deployment == 3;
  if (ask.mistake != Mistake::None && looks_at_request(fault)) return 400;
  switch (fault) {
    case Fault::Internal:
    case Fault::Reset:
    case Fault::Refused:
    case Fault::ErrorIn200:
      return 500;
    case Fault::Unavailable:
    case Fault::UnavailableRetryAfter:
      return 503;
    case Fault::RateLimited:
    case Fault::RateLimitedRetryAfter:
      return 429;
    case Fault::SilentHead:
    case Fault::SilentEvent:
      return 408;
    case Fault::StallLate:
      return ask.stream ? 0 : 408;
    case Fault::Malformed:
    case Fault::CutEarly:
    case Fault::CutLate:
      return 502;
    case Fault::Unauthorized:
      return 401;
    case Fault::NoCredit:
      return openai ? 429 : 402;
    case Fault::Slow:
      return ask.mistake == Mistake::None ? 408 : 0;
    case Fault::None:
    case Fault::MissingUsage:
      return 0;
  }
  return 0;
}

bool has_field(std::string_view fields, std::string_view name) {
  return fields.find(std::string(name) + ": ") == 0 ||
         fields.find("\n" + std::string(name) + ": ") != std::string::npos;
}

}  // namespace

std::string call_id_of(std::uint32_t number) {
  return std::string(kCallId) + std::to_string(number);
}

std::uint32_t number_of(std::string_view call_id) {
  std::uint32_t number = 0;
  if (call_id.starts_with(kCallId))
    std::from_chars(call_id.data() + kCallId.size(), call_id.data() + call_id.size(), number);
  return number;
}

void Judge::object(const std::string& rule, const std::string& circumstances) {
  auto& [count, first] = objections_[rule];
  if (count++ == 0) first = circumstances;
}

void Judge::finish() {
  if (cases_.asked_in_vain() > 0)
    object("nobody is asked for a caller who has gone", std::to_string(cases_.asked_in_vain()));
  if (tally_.due_answered * 1000 < tally_.due * 999)
    object("at least 99.9 % are answered while a deployment is healthy", unanswered_);
}

std::string Judge::objections() const {
  std::string text;
  for (const auto& [rule, found] : objections_)
    text += fmt::format("  {} times: {}\n    {}\n", found.first, rule, found.second);
  return text;
}

void Judge::rest_began(std::size_t deployment, ErrorKind cause, std::int64_t now_us) {
  const Provider& provider = *providers_[deployment];
  if (now_us - provider.troubled_us() <= kLateUs) return;
  object("a deployment rests only when it has failed by its own doing",
         fmt::format("{} by {} at {} in {}, {} us after its latest failure", kIds[deployment], domain::kind_name(cause),
                     now_us, name_of(provider.weather().at(now_us)), now_us - provider.troubled_us()));
}

void Judge::call_ended(std::size_t, const domain::CallRecord& record) {
  Case* const ended = cases_.find(number_of(record.call_id));
  if (ended == nullptr) return object("a call ends once", record.call_id);
  if (ended->records++ == 0) judge(*ended, record);
}

void Judge::close(const Case& ended) {
  if (ended.records != 2) object("metrics and log are told once each of every call", std::to_string(ended.ask.number));
}

std::int64_t Judge::total_us(const Ask& ask) const {
  if (ask.timeout_s) return static_cast<std::int64_t>(*ask.timeout_s * 1e6);
  return std::chrono::microseconds(terms_.timeout).count();
}

void Judge::judge(Case& ended, const domain::CallRecord& record) {
  const Ask& ask = ended.ask;
  ++tally_.calls;
  tally_.retried += record.retries > 0 ? 1 : 0;
  tally_.fell_back += record.fallbacks > 0 ? 1 : 0;
  booked_[ask.number] = {record.cost.nano(), record.marks, record.status};
  tally_.cost_nano += record.cost.nano();
  if (record.ended_us - record.started_us > total_us(ask) + kLateUs)
    object("a call ends within its deadline", circumstances_of(ended, record));
  judge_attempts(ended, record);
  judge_bills(ended, record);

  const int status = ended.exchange->status;
  if (ended.left_us != 0) {
    ++tally_.left;
    if (record.http_status != 499 || record.ended_us - ended.left_us > kLettingGoUs)
      object("a caller who has gone ends the call at once", circumstances_of(ended, record));
    return;
  }
  if (!ended.exchange->ended) object("every caller is answered to the end", circumstances_of(ended, record));
  if (status == 200) {
    ++tally_.answered;
    judge_answer(ended, record);
  } else {
    judge_refusal(ended, record);
  }
  if (ask.mistake != Mistake::None) {
    ++tally_.mistaken;
    if (status == 200) object("a mistake of the caller's is refused", circumstances_of(ended, record));
    return;
  }
  judge_chance(ended, record, status == 200);
}

void Judge::judge_attempts(const Case& ended, const domain::CallRecord& record) {
  tally_.attempts += record.attempts.size();
  if (record.attempts.size() > terms_.attempts_max) object("at most six attempts", circumstances_of(ended, record));
  for (const char* group : kGroups) {
    const auto in_group = std::count_if(record.attempts.begin(), record.attempts.end(),
                                        [&](const domain::Attempt& attempt) { return attempt.model_group == group; });
    if (in_group > 1 + ended.ask.retries.value_or(terms_.retries))
      object("at most 1 + num_retries attempts in a group", circumstances_of(ended, record));
  }
  for (std::size_t i = 1; i < record.attempts.size(); ++i) {
    const domain::Attempt& before = record.attempts[i - 1];
    if (before.billed && before.model_group == record.attempts[i].model_group)
      object("an attempt that may be billed is not repeated in its group", circumstances_of(ended, record));
  }
}

void Judge::judge_bills(const Case& ended, const domain::CallRecord& record) {
  // A request whose kept connection turns out to be closed goes out once more, on a fresh one, in the same attempt.
  std::size_t next = 0;
  Money total;
  for (const domain::Attempt& attempt : record.attempts) {
    const std::size_t deployment = deployment_of(attempt.deployment_id);
    const Served* asked = nullptr;
    while (next < ended.served.size()) {
      const Served& served = *ended.served[next];
      if (served.deployment != deployment || served.begun_us < attempt.started_us || served.begun_us > attempt.ended_us)
        break;
      // Who was answered did not fail to connect: this request is the next attempt's, of the same moment.
      if (attempt.error == ErrorKind::UpstreamConnection && served.answering) break;
      ++next;
      asked = &served;
      if (served.fault != Fault::Reset && served.fault != Fault::Refused) break;
    }
    judge_bill(ended, record, attempt, asked);
    if (attempt.billed) total += attempt.cost;
  }
  if (next != ended.served.size())
    object("providers are asked as often as the call has attempts", circumstances_of(ended, record));
  if (total.nano() != record.cost.nano())
    object("a call costs what its attempts cost", circumstances_of(ended, record));
}

void Judge::judge_bill(const Case& ended, const domain::CallRecord& record, const domain::Attempt& attempt,
                       const Served* served) {
  if (served == nullptr || !served->answering) {
    if (attempt.billed || attempt.cost.nano() != 0)
      object("nothing is booked where a provider sent nothing", circumstances_of(ended, record));
    return;
  }
  const std::uint64_t input = attempt.usage.prompt_tokens(), output = attempt.usage.completion_tokens();
  const auto cost =
      static_cast<std::int64_t>(input) * terms_.input_nano + static_cast<std::int64_t>(output) * terms_.output_nano;
  if (!attempt.billed) {
    if (!was_overtaken(*served, attempt) || served->answering_us < attempt.ended_us - kTickUs)
      object("what a provider sent is booked", circumstances_of(ended, record));
    return;
  }
  if (attempt.cost.nano() != cost) object("an attempt costs its tokens", circumstances_of(ended, record));
  const price::Encoding encoding = price::encoding_of(attempt.model);
  const bool cut_short = served->partial || was_overtaken(*served, attempt);
  const auto counted_input = [&] { return price::count_prompt(encoding, body_of(ended.ask)).tokens; };
  const auto counted_output = [&] { return price::count_tokens(encoding, served->text); };
  const bool said = served->input && served->output && !(cut_short && attempt.usage.estimated);
  if (said) {
    ++tally_.exact;
    if (input != *served->input || output != *served->output || attempt.usage.estimated)
      object("what a provider says that it used is booked", circumstances_of(ended, record));
    return;
  }
  ++tally_.estimated;
  if (!attempt.usage.estimated || (record.marks & domain::kEstimated) == 0)
    object("what was counted is marked as estimated", circumstances_of(ended, record));
  const bool input_right =
      (served->input && input == *served->input) || ((!served->input || cut_short) && input == counted_input());
  const bool output_right = cut_short ? output <= counted_output() + 1 : output == counted_output();
  if (!input_right || !output_right) {
    object("what no provider said is counted",
           circumstances_of(ended, record) + fmt::format("; counted {}+{}", counted_input(), counted_output()));
  }
}

void Judge::judge_answer(const Case& ended, const domain::CallRecord& record) {
  const Served* const served = ended.served.empty() ? nullptr : ended.served.back().get();
  if (served == nullptr || !served->answering)
    return object("an answer is a provider's", circumstances_of(ended, record));
  const std::string_view body = ended.exchange->body;
  const bool told = body.find("{\"error\":") != std::string_view::npos;
  const std::string text = text_in(body);
  const bool overtaken = was_overtaken(*served, record.attempts.back());
  if (text != served->text && !(overtaken && served->text.starts_with(text))) {
    object("the caller reads what the provider wrote",
           circumstances_of(ended, record) + fmt::format("; sent last at {}, {} bytes instead of {}",
                                                         (served->sent_us - record.started_us) / 1000, text.size(),
                                                         served->text.size()));
  }
  if (ended.ask.stream && !body.ends_with(kDone))
    object("a stream ends with [DONE]", circumstances_of(ended, record) + std::string(body));
  if (served->whole && !overtaken) {
    if (told || record.status != EntryStatus::Success)
      object("a whole answer is a success", circumstances_of(ended, record) + std::string(body));
    return;
  }
  ++tally_.broken_streams;
  const bool truthful = told && record.status == EntryStatus::Failure;
  tally_.broken_told += truthful ? 1 : 0;
  if (!truthful)
    object("a stream that broke ends with an error and is booked as a failure",
           circumstances_of(ended, record) + std::string(body));
}

Fault Judge::fault_of(const Case& ended, const domain::Attempt& attempt) const {
  const std::size_t deployment = deployment_of(attempt.deployment_id);
  // Whoever closes his door drops what is inside.
  const bool lost = attempt.error == ErrorKind::UpstreamConnection || attempt.error == ErrorKind::UpstreamTruncated;
  if (lost && providers_[deployment]->weather().at(attempt.ended_us) == Fault::Refused)
    return attempt.billed ? Fault::CutEarly : Fault::Refused;
  Fault fault = Fault::Refused;
  for (const auto& served : ended.served) {
    if (served->deployment != deployment || served->begun_us > attempt.ended_us) break;
    fault = served->fault;
    if (fault != Fault::Reset) break;  // Asked once more, on a fresh connection.
  }
  return fault;
}

void Judge::judge_refusal(const Case& ended, const domain::CallRecord& record) {
  ++tally_.refused;
  const int status = ended.exchange->status;
  const std::string_view fields = ended.exchange->fields;
  if (record.status != EntryStatus::Failure || status != record.http_status ||
      ended.exchange->body.find("\"error\"") == std::string::npos)
    object("a refusal says so everywhere", circumstances_of(ended, record));
  const char* const own = kGroups[ended.ask.group];
  const bool asked_first = !record.attempts.empty() && record.attempts.front().model_group == own;
  if (!asked_first) {
    // Everybody of the group rested.
    if (status != 429 || !has_field(fields, "Retry-After"))
      object("a group at rest says when to come back", circumstances_of(ended, record) + "; " + std::string(fields));
    return;
  }
  const std::size_t first = deployment_of(record.attempts.front().deployment_id);
  const Fault fault = fault_of(ended, record.attempts.front());
  const int expected = status_of(fault, first, ended.ask);
  if (expected == 0 ? status < 400 : status != expected) {
    object(
        "a caller reads the first provider's error",
        fmt::format("{} instead of {} after {}; ", status, expected, name_of(fault)) + circumstances_of(ended, record));
  }
  const bool said_when = fault == Fault::RateLimitedRetryAfter || fault == Fault::UnavailableRetryAfter;
  if (said_when && !has_field(fields, "Retry-After"))
    object("the provider's Retry-After is passed on", circumstances_of(ended, record) + "; " + std::string(fields));
}

void Judge::judge_chance(const Case& ended, const domain::CallRecord& record, bool answered) {
  const Ask& ask = ended.ask;
  const std::int64_t until_us = answered ? record.first_byte_us : record.ended_us;
  bool strict = false, due = false, barred = false;
  for (std::size_t i = 0; i < kDeployments; ++i) {
    if (group_of(i) != ask.group && ask.no_fallbacks) continue;
    const Weather& weather = providers_[i]->weather();
    if (!weather.was_good(record.started_us, until_us, {})) continue;
    strict = true;
    const auto patience = i == 2 ? terms_.timeout : terms_.deployment_timeout;
    const Echo echo{std::chrono::microseconds(terms_.cooldown_time).count() + kTickUs,
                    std::chrono::microseconds(patience).count()};
    if (!weather.was_good(record.started_us, until_us, echo)) continue;
    const char* const group = kGroups[group_of(i)];
    int in_group = 0;
    bool billed = false;
    for (const domain::Attempt& attempt : record.attempts) {
      if (attempt.model_group != group) continue;
      ++in_group;
      billed = billed || attempt.billed;
    }
    if (!answered && (billed || in_group > ask.retries.value_or(terms_.retries))) {
      barred = true;
    } else {
      due = true;
    }
  }
  tally_.strict += strict ? 1 : 0;
  tally_.strict_answered += strict && answered ? 1 : 0;
  tally_.due += due ? 1 : 0;
  tally_.due_answered += due && answered ? 1 : 0;
  tally_.by_rule += !due && barred ? 1 : 0;
  if (due && !answered && unanswered_.empty()) unanswered_ = circumstances_of(ended, record);
}

}  // namespace turnpike::storm
