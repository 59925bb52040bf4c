#include "provider.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "base/clock.h"

namespace turnpike::storm {
namespace {

using std::chrono::milliseconds;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

/// What it says that it used: no figures that anybody would come to by counting.
Tokens tokens_of(const Ask& ask) {
  return {11 + ask.number % 97, ask.words + 5};
}

Refusal refusal_of(Mistake mistake) {
  switch (mistake) {
    case Mistake::TooLong:
      return Refusal::TooLong;
    case Mistake::Policy:
      return Refusal::Policy;
    default:
      return Refusal::BadRequest;
  }
}

std::optional<Refusal> refusal_of(Fault fault) {
  switch (fault) {
    case Fault::Internal:
      return Refusal::Broken;
    case Fault::Unavailable:
    case Fault::UnavailableRetryAfter:
      return Refusal::Overloaded;
    case Fault::RateLimited:
    case Fault::RateLimitedRetryAfter:
      return Refusal::TooMany;
    case Fault::Unauthorized:
      return Refusal::WrongKey;
    case Fault::NoCredit:
      return Refusal::NoCredit;
    default:
      return std::nullopt;
  }
}

}  // namespace

Provider::Provider(std::size_t deployment, Shape shape, Weather weather, net::IoThreads& threads, Cases& cases)
    : deployment_(deployment),
      shape_(shape),
      weather_(std::move(weather)),
      threads_(threads),
      cases_(cases),
      random_(deployment + 1) {
  listen();
}

void Provider::listen() {
  http::Server::Options options;
  options.port = port_;
  Result<std::unique_ptr<http::Server>> server = http::Server::listen(
      threads_, options, [this](http::Exchange& exchange) { return serve(exchange); },
      [](int, std::string_view message) { return std::string(message); });
  if (!server) throw std::runtime_error("a provider cannot listen: " + server.error().message);
  server_ = std::move(*server);
  port_ = server_->port();
}

void Provider::follow_weather(std::int64_t now_us) {
  const bool refuses = weather_.at(now_us) == Fault::Refused;
  if (refuses) troubled_us_ = now_us;
  if (refuses && server_) server_.reset();
  if (!refuses && !server_) listen();
}

std::int64_t Provider::draw_ms(std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(random_.next() % static_cast<std::uint64_t>(most - least + 1));
}

void Provider::watch(http::Exchange& exchange, std::shared_ptr<Served> served, base::Signal& gone) {
  exchange.on_gone([this, served = std::move(served), &gone] {
    served->let_go = true;
    if (!served->left) troubled_us_ = base::unix_now_us();
    gone.fire();
  });
}

void Provider::begin_answer(Served& served) {
  served.sent_us = base::unix_now_us();
  if (!served.answering) served.answering_us = served.sent_us;
  served.answering = true;
}

Task<void> Provider::serve(http::Exchange& exchange) {
  const std::int64_t now_us = base::unix_now_us();
  const std::uint32_t number = number_in(exchange.request().body);
  cases_.note_asked(number, now_us);
  Case* const open = cases_.find(number);
  if (open == nullptr) {
    exchange.cut();
    co_return;
  }
  const Ask ask = open->ask;
  const auto served = std::make_shared<Served>();
  served->deployment = deployment_;
  served->fault = weather_.at(now_us);
  served->begun_us = now_us;
  open->served.push_back(served);

  const Fault fault = served->fault;
  base::Signal gone;
  watch(exchange, served, gone);
  if (fault == Fault::Reset || fault == Fault::Refused) {
    troubled_us_ = now_us;
    exchange.cut();
    co_return;
  }
  if (fault == Fault::SilentHead) {
    co_await gone;
    co_return;
  }
  const auto thinks = fault == Fault::Slow ? draw_ms(2'000, 6'000) : draw_ms(100, 800);
  co_await exchange.thread().sleep(milliseconds(thinks));
  if (served->let_go) co_return;
  if (const std::optional<Refusal> refusal = refusal_of(fault)) {
    troubled_us_ = base::unix_now_us();
    std::string fields;
    if (fault == Fault::UnavailableRetryAfter || fault == Fault::RateLimitedRetryAfter) {
      const std::int64_t left_us = weather_.end_of_phase(now_us) - base::unix_now_us();
      fields = fmt::format("Retry-After: {}\r\n", std::max<std::int64_t>(1, (left_us + 999'999) / 1'000'000));
    }
    co_await refuse(exchange, *refusal, 0, std::move(fields));
  } else if (ask.mistake != Mistake::None) {
    co_await refuse(exchange, refusal_of(ask.mistake), 0, {});
  } else if (fault == Fault::ErrorIn200 && !ask.stream) {
    troubled_us_ = base::unix_now_us();
    co_await refuse(exchange, Refusal::Broken, 200, {});
  } else if (ask.stream) {
    co_await answer_stream(exchange, ask, *served);
  } else {
    co_await answer_whole(exchange, ask, *served);
  }
  exchange.on_gone({});
}

Task<void> Provider::refuse(http::Exchange& exchange, Refusal refusal, int status, std::string fields) {
  const Refused said = refused(shape_, refusal);
  http::ReplyHead head;
  head.status = status != 0 ? status : said.status;
  head.fields = std::move(fields);
  const std::string_view pieces[] = {said.body};
  (void)co_await exchange.reply(head, pieces);
}

Task<void> Provider::answer_whole(http::Exchange& exchange, const Ask& ask, Served& served) {
  const std::vector<std::string> words = words_of(ask.number, ask.words);
  std::optional<Tokens> tokens = tokens_of(ask);
  if (served.fault == Fault::MissingUsage) tokens.reset();
  const std::string body = whole_answer(shape_, words, tokens);
  served.text = joined(words);
  const bool breaks = served.fault == Fault::CutEarly || served.fault == Fault::CutLate ||
                      served.fault == Fault::SilentEvent || served.fault == Fault::StallLate;
  if (breaks || served.fault == Fault::Malformed) {
    const std::string_view half = std::string_view(body).substr(0, body.size() / 2);
    const std::string_view pieces[] = {half};
    begin_answer(served);
    served.partial = true;
    troubled_us_ = base::unix_now_us();
    if (!breaks) {
      (void)co_await exchange.reply({}, pieces);
      co_return;
    }
    exchange.begin_stream({});
    (void)co_await exchange.write(pieces);
    co_await break_off(exchange, served);
    co_return;
  }
  const std::string_view pieces[] = {body};
  if (!co_await exchange.reply({}, pieces)) co_return;
  begin_answer(served);
  served.whole = true;
  if (tokens) {
    served.input = tokens->input;
    served.output = tokens->output;
  }
}

Task<bool> Provider::send(http::Exchange& exchange, const Piece& piece, Served& served) {
  const std::string_view pieces[] = {piece.bytes};
  if (served.let_go || !co_await exchange.write(pieces)) co_return false;
  begin_answer(served);
  served.text += piece.text;
  if (piece.input) served.input = piece.input;
  if (piece.output) served.output = piece.output;
  co_return true;
}

Task<void> Provider::answer_stream(http::Exchange& exchange, const Ask& ask, Served& served) {
  const std::vector<std::string> words = words_of(ask.number, ask.words);
  std::optional<Tokens> tokens = tokens_of(ask);
  if (served.fault == Fault::MissingUsage) tokens.reset();
  std::vector<Piece> pieces = streamed_answer(shape_, words, tokens);
  std::size_t breaks_after = pieces.size();
  switch (served.fault) {
    case Fault::SilentEvent:
    case Fault::CutEarly:
      breaks_after = 1;
      break;
    case Fault::CutLate:
    case Fault::StallLate:
      breaks_after = 2 + random_.next() % words.size();
      break;
    case Fault::Malformed:
      breaks_after = 1 + random_.next() % 3;
      break;
    case Fault::ErrorIn200:
      breaks_after = 0;
      break;
    default:
      break;
  }
  http::ReplyHead head;
  head.content_type = "text/event-stream";
  exchange.begin_stream(head);
  for (std::size_t i = 0; i < breaks_after; ++i) {
    if (i > 0) co_await exchange.thread().sleep(milliseconds(draw_ms(10, 60)));
    if (!co_await send(exchange, pieces[i], served)) co_return;
  }
  if (breaks_after < pieces.size()) {
    co_await break_off(exchange, served);
    co_return;
  }
  served.whole = true;
  (void)co_await exchange.finish({});
}

Task<void> Provider::break_off(http::Exchange& exchange, Served& served) {
  troubled_us_ = base::unix_now_us();
  switch (served.fault) {
    case Fault::CutEarly:
    case Fault::CutLate:
      exchange.cut();
      co_return;
    case Fault::ErrorIn200:
    case Fault::Malformed: {
      const std::string event = served.fault == Fault::Malformed ? malformed_event(shape_) : error_event(shape_);
      const std::string_view pieces[] = {event};
      if (served.fault == Fault::Malformed) begin_answer(served);
      (void)co_await exchange.finish(pieces);
      co_return;
    }
    default:
      co_await until_let_go(exchange, served);
  }
}

Task<void> Provider::until_let_go(http::Exchange& exchange, Served& served) {
  constexpr milliseconds kLook{20};
  while (!served.let_go) co_await exchange.thread().sleep(kLook);
}

}  // namespace turnpike::storm
