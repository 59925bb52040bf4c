#include "cases.h"

#include <fmt/core.h>

#include <charconv>

#include "voice.h"

namespace turnpike::storm {
namespace {

constexpr std::string_view kMark = "call number ";

bool chance(base::Random& random, std::uint64_t in_thousand) {
  return random.next() % 1000 < in_thousand;
}

}  // namespace

Ask draw_ask(std::uint32_t number, base::Random& random) {
  Ask ask;
  ask.number = number;
  ask.group = chance(random, 600) ? 0 : 1;
  ask.stream = chance(random, 600);
  ask.prompt_bytes = chance(random, 50) ? 4'000 + random.next() % 20'000 : 20 + random.next() % 200;
  ask.words = chance(random, 50) ? 60 + random.next() % 60 : 3 + random.next() % 20;
  if (chance(random, 40)) ask.mistake = static_cast<Mistake>(1 + random.next() % 3);
  if (chance(random, 100)) ask.retries = static_cast<int>(random.next() % 4);
  if (chance(random, 100)) ask.timeout_s = 6 + static_cast<double>(random.next() % 15);
  if (chance(random, 50)) ask.no_fallbacks = true;
  if (!ask.no_fallbacks && chance(random, 50)) ask.own_fallbacks = true;
  if (chance(random, 60)) ask.hangs_up_after_us = static_cast<std::int64_t>(random.next() % 3'000'000);
  return ask;
}

std::string body_of(const Ask& ask) {
  std::string prompt;
  for (const std::string& word : words_of(ask.number, ask.prompt_bytes / 5)) prompt += word;
  std::string body = fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"{}{}. {}"}}])",
                                 kGroups[ask.group], kMark, ask.number, prompt);
  if (ask.stream) body += R"(,"stream":true)";
  if (ask.retries) body += fmt::format(R"(,"num_retries":{})", *ask.retries);
  if (ask.timeout_s) body += fmt::format(R"(,"timeout":{})", *ask.timeout_s);
  if (ask.no_fallbacks) body += R"(,"disable_fallbacks":true)";
  if (ask.own_fallbacks) body += fmt::format(R"(,"fallbacks":["{}"])", kGroups[1 - ask.group]);
  return body + "}";
}

std::uint32_t number_in(std::string_view body) {
  const std::size_t at = body.find(kMark);
  std::uint32_t number = 0;
  if (at != std::string_view::npos) std::from_chars(body.data() + at + kMark.size(), body.data() + body.size(), number);
  return number;
}

void Case::leave(std::int64_t now_us) {
  left_us = now_us;
  for (const auto& request : served) request->left = true;
  exchange->hang_up();
}

Case& Cases::open(Ask ask) {
  const std::uint32_t number = ask.number;
  Case& fresh = open_[number];
  fresh.ask = std::move(ask);
  return fresh;
}

Case* Cases::find(std::uint32_t number) {
  const auto found = open_.find(number);
  return found == open_.end() ? nullptr : &found->second;
}

void Cases::close(std::uint32_t number) {
  const auto found = open_.find(number);
  if (found->second.left_us != 0) left_us_[number] = found->second.left_us;
  open_.erase(found);
}

void Cases::note_asked(std::uint32_t number, std::int64_t now_us) {
  constexpr std::int64_t kOnItsWayUs = 30'000;
  const Case* const open = find(number);
  if (open != nullptr && open->left_us == 0) return;
  const auto left = left_us_.find(number);
  const std::int64_t gone_us = open != nullptr ? open->left_us : left != left_us_.end() ? left->second : 0;
  if (now_us - gone_us > kOnItsWayUs) ++asked_in_vain_;
}

}  // namespace turnpike::storm
