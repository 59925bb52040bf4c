#include <algorithm>
#include <utility>

#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/openai_pieces.h"
#include "protocol/openai_write.h"

namespace turnpike::protocol {
namespace {

using EventKind = ChatEvent::Kind;

constexpr std::size_t kTextKeptMax = 64 * 1024;
constexpr std::size_t kHeldMax = 1 << 20;
constexpr std::size_t kChoicesMax = 128;
constexpr std::size_t kCallsMax = 1024;

// A line end between the tokens of the provider's own JSON would end the event's line.
void append_json(std::string& out, std::string_view json) {
  const std::size_t begin = out.size();
  out += json;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

/// Writes the events of any dialect as OpenAI's chunks.
class TranslatedStream final : public ReplyStream {
 public:
  TranslatedStream(StreamOptions options, AnswerTerms terms, std::unique_ptr<EventDecoder> decoder);

  Status feed(std::string_view bytes, std::vector<std::string_view>& pieces) override;
  Status finish(std::vector<std::string_view>& pieces) override;
  bool done() const override { return done_; }
  bool owes_usage() const override { return owes_usage_; }
  std::string_view last_events(const domain::Usage& counted) override;
  bool content_seen() const override { return content_seen_; }
  const std::string& id() const override { return id_; }
  const std::string& finish_reason() const override { return finish_reason_; }
  const std::optional<domain::Usage>& usage() const override { return decoder_->usage(); }
  const std::string& service_tier() const override { return service_tier_; }
  bool complete() const override { return done_ || all_finished(); }
  bool choice_seen() const override { return started_; }
  const std::string& text_for_count() const override { return text_; }
  std::uint64_t text_bytes() const override { return text_bytes_; }
  std::uint64_t raw_text_bytes() const override { return text_bytes_; }

 private:
  struct Call {
    std::uint32_t tool = 0;    // The decoder's number.
    bool json_answer = false;  // Of the JSON tool: its arguments are content,
    bool repeated = false;     // those of a second one are not.
    bool has_arguments = false;
  };
  struct Choice {
    std::uint32_t index = 0;
    bool role_sent = false;
    bool finished = false;
    std::vector<Call> calls;  // As begun; of those shown, a call's index is its place among them.
    std::uint64_t calls_shown = 0;
    std::uint64_t images = 0;
    // An answer by the JSON tool: what was said around it, and its front while it may be wrapped in another object.
    std::string held_text;
    std::string held_json;
    bool json_begun = false;
    bool json_flows = false;
  };

  void take_events();
  void take(const ChatEvent& event, const ChatEvent* logprobs);
  void take_of_choice(Choice& choice, const ChatEvent& event, const ChatEvent* logprobs);
  void take_text(Choice& choice, std::string_view text, const ChatEvent* logprobs);
  void take_tool_start(Choice& choice, const ChatEvent& event);
  void take_tool_arguments(Choice& choice, const ChatEvent& event);
  void take_json(Choice& choice, std::string_view text);
  void take_finish(Choice& choice, Finish finish, std::string_view native_finish);
  void take_thought(Choice& choice, const ChatEvent& event);
  void take_refusal(Choice& choice, std::string_view text);
  void take_extra(Choice& choice, const ChatEvent& event);
  void take_audio(Choice& choice, const ChatEvent& event);
  void let_held_go(Choice& choice);
  void write_content(Choice& choice, std::string_view text, const ChatEvent* logprobs = nullptr);
  void write_call_arguments(Choice& choice, std::uint64_t shown, std::string_view text);

  Choice* choice_of(std::uint32_t index);
  Call* call_of(Choice& choice, std::uint32_t tool);
  std::uint64_t shown_index(const Choice& choice, const Call& call) const;
  bool all_finished() const;
  Status end();
  void note(std::string_view text);
  void settle_head();
  void begin_delta(Choice& choice);
  void end_delta(std::string_view logprobs_json = {});
  void append_usage_event(const domain::Usage& usage);
  bool chat() const { return options_.operation != domain::Operation::Completion; }

  StreamOptions options_;
  AnswerTerms terms_;
  std::unique_ptr<EventDecoder> decoder_;
  std::vector<ChatEvent> events_;
  std::vector<Choice> choices_;
  CallIds ids_;

  std::string id_;
  std::string head_;  // A chunk up to the inside of `choices`; empty until the first chunk leaves.
  std::string tail_;  // And behind it.
  std::string out_;
  std::string given_out_;  // What `out_` held before the last events were written.
  std::string finish_reason_;
  std::string service_tier_;
  std::string text_;
  std::uint64_t text_bytes_ = 0;
  bool started_ = false;
  bool ended_ = false;  // The dialect's terminal marker has been read.
  bool done_ = false;
  bool owes_usage_ = false;
  bool content_seen_ = false;
};

TranslatedStream::TranslatedStream(StreamOptions options, AnswerTerms terms, std::unique_ptr<EventDecoder> decoder)
    : options_(std::move(options)), terms_(std::move(terms)), decoder_(std::move(decoder)), ids_(options_.fallback_id) {
  constexpr std::size_t kBeyondSmall = 512;
  out_.reserve(kBeyondSmall);  // Never in the string's own small buffer: `out_` is swapped while pieces point into it.
}

// The provider's id holds for the whole stream, ours where it gives none.
void TranslatedStream::settle_head() {
  if (!head_.empty()) return;
  if (id_.empty()) id_ = options_.fallback_id;
  head_ = "data: {\"id\":";
  json::append_string(head_, id_);
  head_ += chat() ? ",\"object\":\"chat.completion.chunk\"" : ",\"object\":\"text_completion\"";
  head_.append(",\"created\":").append(std::to_string(options_.created_s)).append(",\"model\":");
  json::append_string(head_, options_.shown_model);
  head_ += ",\"choices\":[";
  tail_ = options_.include_usage ? "],\"usage\":null}\n\n" : "]}\n\n";
}

// A chunk up to the inside of the delta; the choice's first one, which says the role, goes before it.
void TranslatedStream::begin_delta(Choice& choice) {
  settle_head();
  content_seen_ = true;
  const auto open = [&] {
    out_ += head_;
    out_.append("{\"index\":").append(std::to_string(choice.index));
  };
  if (chat() && !choice.role_sent) {
    open();
    out_ += ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}";
    out_ += tail_;
  }
  choice.role_sent = true;
  open();
  if (chat()) out_ += ",\"delta\":{";
}

void TranslatedStream::end_delta(std::string_view logprobs_json) {
  out_ += chat() ? "}" : ",\"logprobs\":null";
  if (chat() && !logprobs_json.empty()) append_json(out_ += ",\"logprobs\":", logprobs_json);
  out_ += ",\"finish_reason\":null}";
  out_ += tail_;
}

void TranslatedStream::note(std::string_view text) {
  text_bytes_ += text.size();
  if (options_.count_text && text_.size() < kTextKeptMax) text_ += text.substr(0, kTextKeptMax - text_.size());
}

TranslatedStream::Choice* TranslatedStream::choice_of(std::uint32_t index) {
  started_ = true;
  for (Choice& choice : choices_) {
    if (choice.index == index) return &choice;
  }
  if (choices_.size() >= kChoicesMax) return nullptr;
  choices_.emplace_back().index = index;
  return &choices_.back();
}

TranslatedStream::Call* TranslatedStream::call_of(Choice& choice, std::uint32_t tool) {
  const auto call =
      std::find_if(choice.calls.rbegin(), choice.calls.rend(), [&](const Call& c) { return c.tool == tool; });
  return call == choice.calls.rend() ? nullptr : &*call;
}

std::uint64_t TranslatedStream::shown_index(const Choice& choice, const Call& call) const {
  return static_cast<std::uint64_t>(
      std::count_if(choice.calls.data(), &call, [](const Call& c) { return !c.json_answer; }));
}

bool TranslatedStream::all_finished() const {
  return !choices_.empty() && choices_.size() >= options_.choices &&
         std::all_of(choices_.begin(), choices_.end(), [](const Choice& choice) { return choice.finished; });
}

void TranslatedStream::write_content(Choice& choice, std::string_view text, const ChatEvent* logprobs) {
  if (text.empty() && logprobs == nullptr) return;
  begin_delta(choice);
  out_ += chat() ? "\"content\":" : ",\"text\":";
  json::append_string(out_, text);
  end_delta(logprobs != nullptr ? logprobs->json : std::string_view());
}

void TranslatedStream::take_text(Choice& choice, std::string_view text, const ChatEvent* logprobs) {
  note(text);
  if (!terms_.json_tool) {
    write_content(choice, text, logprobs);
    return;
  }
  // It may be a preface to the JSON, which alone is the answer.
  if (choice.json_begun) return;
  choice.held_text += text;
  if (choice.held_text.size() > kHeldMax) let_held_go(choice);
}

// The end has come, or too much is held: what was held is the answer as it stands.
void TranslatedStream::let_held_go(Choice& choice) {
  if (choice.json_begun) {
    const std::string json = std::exchange(choice.held_json, {});
    write_content(choice, json.empty() ? "{}" : unwrap_json_answer(json));
    choice.json_flows = true;
  } else {
    write_content(choice, std::exchange(choice.held_text, {}));
  }
}

void TranslatedStream::take_json(Choice& choice, std::string_view text) {
  if (choice.json_flows) {
    write_content(choice, text);
    return;
  }
  choice.held_json += text;
  const bool plain = !terms_.unwrap_json || looks_wrapped(choice.held_json) == Wrapped::No;
  if (!plain && choice.held_json.size() <= kHeldMax) return;
  choice.json_flows = true;
  write_content(choice, std::exchange(choice.held_json, {}));
}

void TranslatedStream::take_tool_start(Choice& choice, const ChatEvent& event) {
  if (choice.calls.size() >= kCallsMax) return;
  note(event.name);
  Call& call = choice.calls.emplace_back();
  call.tool = event.tool;
  if (terms_.json_tool && event.name == kJsonTool) {
    call.json_answer = true;
    call.repeated = choice.json_begun;
    choice.json_begun = true;
    choice.held_text.clear();
    return;
  }
  const std::uint64_t shown = choice.calls_shown++;
  if (!chat() || (terms_.legacy_functions && shown > 0)) return;
  const std::string_view name = callers_name(terms_, event.name);
  begin_delta(choice);
  if (terms_.legacy_functions) {
    out_ += "\"function_call\":{\"name\":";
    json::append_string(out_, name);
    out_ += ",\"arguments\":\"\"}";
  } else {
    out_.append("\"tool_calls\":[{\"index\":").append(std::to_string(shown)).append(",\"id\":");
    json::append_string(out_, ids_.shown(event.id, choice.index, shown, event.signature));
    out_ += ",\"type\":\"function\",\"function\":{\"name\":";
    json::append_string(out_, name);
    out_ += ",\"arguments\":\"\"}}]";
  }
  end_delta();
}

void TranslatedStream::write_call_arguments(Choice& choice, std::uint64_t shown, std::string_view text) {
  if (!chat() || (terms_.legacy_functions && shown > 0)) return;
  begin_delta(choice);
  if (terms_.legacy_functions) {
    out_ += "\"function_call\":{\"arguments\":";
    json::append_string(out_, text);
    out_ += '}';
  } else {
    out_.append("\"tool_calls\":[{\"index\":").append(std::to_string(shown));
    out_ += ",\"function\":{\"arguments\":";
    json::append_string(out_, text);
    out_ += "}}]";
  }
  end_delta();
}

void TranslatedStream::take_tool_arguments(Choice& choice, const ChatEvent& event) {
  Call* const call = call_of(choice, event.tool);
  if (call == nullptr || event.text.empty()) return;
  note(event.text);
  if (call->json_answer) {
    if (!call->repeated) take_json(choice, event.text);
    return;
  }
  call->has_arguments = true;
  write_call_arguments(choice, shown_index(choice, *call), event.text);
}

void TranslatedStream::take_audio(Choice& choice, const ChatEvent& event) {
  if (!chat()) return;
  note(event.text);
  begin_delta(choice);
  out_ += "\"audio\":";
  json::Writer writer(out_);
  writer.begin_object();
  if (!event.id.empty()) writer.key("id").string(event.id);
  if (!event.media.base64.empty()) writer.key("data").string(event.media.base64);
  if (!event.text.empty()) writer.key("transcript").string(event.text);
  writer.end_object();
  end_delta();
}

void TranslatedStream::take_finish(Choice& choice, Finish finish, std::string_view native_finish) {
  if (choice.json_begun ? !choice.json_flows : !choice.held_text.empty()) let_held_go(choice);
  for (const Call& call : choice.calls) {
    // A call that never got a byte of arguments: callers parse them as JSON.
    if (!call.has_arguments && !call.json_answer) write_call_arguments(choice, shown_index(choice, call), "{}");
  }
  std::string_view reason = finish_name(finish);
  if (finish == Finish::Stop || finish == Finish::ToolCalls || finish == Finish::None) {
    const bool called = choice.calls_shown > 0;
    reason = !called ? "stop" : terms_.legacy_functions ? "function_call" : "tool_calls";
    if (finish == Finish::ToolCalls && choice.calls.empty()) reason = "tool_calls";
  }
  begin_delta(choice);
  out_ += chat() ? "}" : ",\"text\":\"\",\"logprobs\":null";
  out_.append(",\"finish_reason\":\"").append(reason).append("\"");
  append_native_finish(out_, native_finish);
  out_ += '}';
  out_ += tail_;
  choice.finished = true;
  if (finish_reason_.empty()) finish_reason_ = reason;
}

void TranslatedStream::take_thought(Choice& choice, const ChatEvent& event) {
  note(event.kind == EventKind::Thinking ? event.text : std::string_view());
  if (!chat() || (event.text.empty() && event.signature.empty())) return;
  begin_delta(choice);
  if (event.kind == EventKind::Thinking) {
    out_ += "\"reasoning_content\":";
    json::append_string(out_, event.text);
    out_ += ',';
  }
  out_ += "\"thinking_blocks\":[";
  if (event.kind == EventKind::RedactedThinking) {
    append_redacted_thinking(out_, event.text);
  } else {
    append_thinking(out_, event.text, event.signature);
  }
  out_ += ']';
  end_delta();
}

void TranslatedStream::take_refusal(Choice& choice, std::string_view text) {
  note(text);
  if (!chat() || text.empty()) return;
  begin_delta(choice);
  out_ += "\"refusal\":";
  json::append_string(out_, text);
  end_delta();
}

// Pictures, sources and members of the provider's own: chat only, and none of them is text to count.
void TranslatedStream::take_extra(Choice& choice, const ChatEvent& event) {
  if (!chat()) return;
  begin_delta(choice);
  if (event.kind == EventKind::Image) {
    out_ += "\"images\":[";
    append_image(out_, event.media, choice.images++);
    out_ += ']';
  } else if (event.kind == EventKind::Citation) {
    out_ += "\"annotations\":[";
    append_annotation(out_, event.citation);
    out_ += ']';
  } else {
    out_ += "\"provider_specific_fields\":{";
    json::append_string(out_, event.name);
    append_json(out_ += ':', event.json);
    out_ += '}';
  }
  end_delta();
}

void TranslatedStream::take_of_choice(Choice& choice, const ChatEvent& event, const ChatEvent* logprobs) {
  switch (event.kind) {
    case EventKind::Text:
      take_text(choice, event.text, logprobs);
      break;
    case EventKind::Refusal:
      take_refusal(choice, event.text);
      break;
    case EventKind::Thinking:
    case EventKind::Signature:
    case EventKind::RedactedThinking:
      take_thought(choice, event);
      break;
    case EventKind::ToolStart:
      take_tool_start(choice, event);
      break;
    case EventKind::ToolArguments:
      take_tool_arguments(choice, event);
      break;
    case EventKind::Image:
    case EventKind::Citation:
    case EventKind::Native:
      take_extra(choice, event);
      break;
    case EventKind::Audio:
      take_audio(choice, event);
      break;
    case EventKind::Logprobs:
      write_content(choice, {}, &event);
      break;
    case EventKind::Finish:
      take_finish(choice, event.finish, event.native_finish);
      break;
    case EventKind::Start:
    case EventKind::Usage:
    case EventKind::End:
      break;
  }
}

void TranslatedStream::take(const ChatEvent& event, const ChatEvent* logprobs) {
  if (event.kind == EventKind::Usage) return;
  if (event.kind == EventKind::End) {
    ended_ = true;
  } else if (event.kind == EventKind::Start) {
    started_ = true;
    if (head_.empty() && !event.id.empty()) id_ = event.id;
  } else if (Choice* const choice = choice_of(event.choice); choice != nullptr && !choice->finished) {
    take_of_choice(*choice, event, logprobs);
  }
}

void TranslatedStream::take_events() {
  for (std::size_t i = 0; i < events_.size() && !ended_; ++i) {
    // A text's logprobs travel in its chunk.
    const bool with_logprobs = events_[i].kind == EventKind::Text && !terms_.json_tool && i + 1 < events_.size() &&
                               events_[i + 1].kind == EventKind::Logprobs && events_[i + 1].choice == events_[i].choice;
    take(events_[i], with_logprobs ? &events_[i + 1] : nullptr);
    if (with_logprobs) ++i;
  }
  if (const std::string_view tier = decoder_->service_tier(); tier != service_tier_) service_tier_ = tier;
}

void TranslatedStream::append_usage_event(const domain::Usage& usage) {
  settle_head();
  out_ += head_;
  out_.append("],\"usage\":").append(usage_json(options_.operation, usage));
  if (!service_tier_.empty()) {
    out_ += ",\"service_tier\":";
    json::append_string(out_, service_tier_);
  }
  out_ += "}\n\n";
}

// The stream is complete: what is still owed, in order.
Status TranslatedStream::end() {
  if (choices_.empty()) {
    return ended_empty(options_.provider_label);
  }
  for (Choice& choice : choices_) {
    if (!choice.finished) take_finish(choice, Finish::None, {});
  }
  done_ = true;
  const auto& usage = decoder_->usage();
  if (options_.include_usage && (!usage || usage->input_unsaid || usage->output_unsaid)) {
    owes_usage_ = true;
    return {};
  }
  if (options_.include_usage) append_usage_event(*usage);
  out_ += "data: [DONE]\n\n";
  return {};
}

Status TranslatedStream::feed(std::string_view bytes, std::vector<std::string_view>& pieces) {
  out_.clear();
  if (done_) return {};
  events_.clear();
  Status status = decoder_->feed(bytes, events_);
  take_events();  // Those before a fault are good.
  if (status && ended_) status = end();
  if (!out_.empty()) pieces.push_back(out_);
  return status;
}

Status TranslatedStream::finish(std::vector<std::string_view>& pieces) {
  out_.clear();
  if (done_) return {};
  events_.clear();
  Status status = decoder_->finish(events_);
  take_events();
  if (status) status = end();
  if (!out_.empty()) pieces.push_back(out_);
  return status;
}

std::string_view TranslatedStream::last_events(const domain::Usage& counted) {
  owes_usage_ = false;
  given_out_.swap(out_);  // Pieces point into it.
  out_.clear();
  if (!counted.empty()) append_usage_event(counted);
  out_ += "data: [DONE]\n\n";
  return out_;
}

}  // namespace

std::unique_ptr<ReplyStream> translate_stream(StreamOptions options, AnswerTerms terms,
                                              std::unique_ptr<EventDecoder> decoder) {
  return std::make_unique<TranslatedStream>(std::move(options), std::move(terms), std::move(decoder));
}

}  // namespace turnpike::protocol
