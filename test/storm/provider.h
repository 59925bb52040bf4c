#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cases.h"
#include "http/server.h"
#include "voice.h"
#include "weather.h"

namespace turnpike::storm {

/// The provider behind one deployment: answers in its dialect as its weather has it, and notes in the cases what it
/// bills. An honest one: it says what it used, and breaks off only what its weather breaks.
///
/// Threading: lives on the one I/O thread.
class Provider {
 public:
  Provider(std::size_t deployment, Shape shape, Weather weather, net::IoThreads& threads, Cases& cases);

  std::uint16_t port() const { return port_; }
  const Weather& weather() const { return weather_; }
  /// Opens and closes the door as the weather has it.
  void follow_weather(std::int64_t now_us);
  /// For good; before the I/O thread ends.
  void close() { server_.reset(); }
  std::uint64_t requests_open() const { return server_ ? server_->counters().requests_open.load() : 0; }
  /// When it last failed a call by its own doing: what a rest may come of.
  std::int64_t troubled_us() const { return troubled_us_; }

 private:
  void listen();
  Task<void> serve(http::Exchange& exchange);
  Task<void> refuse(http::Exchange& exchange, Refusal refusal, int status, std::string fields);
  Task<void> answer_whole(http::Exchange& exchange, const Ask& ask, Served& served);
  Task<void> answer_stream(http::Exchange& exchange, const Ask& ask, Served& served);
  /// Sends a piece; false when nobody reads any more.
  Task<bool> send(http::Exchange& exchange, const Piece& piece, Served& served);
  /// Breaks off, as the fault has it.
  Task<void> break_off(http::Exchange& exchange, Served& served);
  Task<void> until_let_go(http::Exchange& exchange, Served& served);
  void watch(http::Exchange& exchange, std::shared_ptr<Served> served, base::Signal& gone);
  static void begin_answer(Served& served);
  std::int64_t draw_ms(std::int64_t least, std::int64_t most);

  const std::size_t deployment_;
  const Shape shape_;
  const Weather weather_;
  net::IoThreads& threads_;
  Cases& cases_;
  base::Random random_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
  std::int64_t troubled_us_ = 0;
};

}  // namespace turnpike::storm
