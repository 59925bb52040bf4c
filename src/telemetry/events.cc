#include "telemetry/events.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "telemetry/event_rules.h"
#include "telemetry/redact.h"

namespace turnpike::telemetry {
namespace {

/// One thread puts in, one takes out, without a lock.
class SightingRing {
 public:
  bool put(Sighting&& sighting) {
    const std::size_t end = end_.load(std::memory_order_relaxed);
    if (end - begin_.load(std::memory_order_acquire) == Events::kSightingsMax) return false;
    slots_[end % Events::kSightingsMax] = std::move(sighting);
    end_.store(end + 1, std::memory_order_release);
    return true;
  }
  std::optional<Sighting> take() {
    const std::size_t begin = begin_.load(std::memory_order_relaxed);
    if (begin == end_.load(std::memory_order_acquire)) return std::nullopt;
    Sighting sighting = std::move(slots_[begin % Events::kSightingsMax]);
    begin_.store(begin + 1, std::memory_order_release);
    return sighting;
  }

 private:
  std::array<Sighting, Events::kSightingsMax> slots_;
  alignas(64) std::atomic<std::size_t> end_{0};
  alignas(64) std::atomic<std::size_t> begin_{0};
};

base::LogLevel log_level(EventLevel level) {
  return level == EventLevel::Low ? base::LogLevel::Info : base::LogLevel::Warning;
}

class Board final : public Events {
 public:
  explicit Board(const Options& options) : options_(options), rules_(options.alerts) {
    for (std::size_t i = 0; i < std::max<std::size_t>(options.threads, 1); ++i)
      rings_.push_back(std::make_unique<SightingRing>());
    collector_ = std::thread([this] { run(); });
  }
  ~Board() override {
    {
      const std::lock_guard lock(stop_mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    collector_.join();
  }
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  void see(std::size_t thread, Sighting sighting) override {
    if (!rings_[std::min(thread, rings_.size() - 1)]->put(std::move(sighting)))
      dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  void raise(Event event) override {
    const std::lock_guard lock(mutex_);
    decided_.push_back(std::move(event));
  }
  void set_alerts(const config::AlertSettings& alerts) override {
    const std::lock_guard lock(mutex_);
    rules_.set(alerts);
  }
  void add_sink(std::shared_ptr<EventSink> sink) override {
    const std::lock_guard lock(mutex_);
    sinks_.push_back(std::move(sink));
  }
  std::vector<Event> find(const EventQuery& query) override;
  std::array<std::uint64_t, kEventKinds> raised() const override {
    std::array<std::uint64_t, kEventKinds> counts{};
    for (std::size_t i = 0; i < kEventKinds; ++i) counts[i] = raised_[i].load(std::memory_order_relaxed);
    return counts;
  }
  std::uint64_t dropped() const override { return dropped_.load(std::memory_order_relaxed); }

 private:
  void run();
  void collect();  // Under the mutex.
  void tell_sinks();

  const Options options_;
  std::vector<std::unique_ptr<SightingRing>> rings_;
  std::array<std::atomic<std::uint64_t>, kEventKinds> raised_{};
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex mutex_;  // Of what follows. Never taken on the path of a call.
  EventRules rules_;
  std::vector<Event> decided_;
  std::deque<Event> kept_;
  std::deque<Event> untold_;  // By the sinks.
  std::uint64_t last_number_ = 0;
  std::vector<std::shared_ptr<EventSink>> sinks_;

  std::mutex stop_mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread collector_;
};

void Board::collect() {
  std::vector<Event> fresh = std::exchange(decided_, {});
  for (const std::unique_ptr<SightingRing>& ring : rings_) {
    while (const std::optional<Sighting> sighting = ring->take()) rules_.take(*sighting, fresh);
  }
  for (Event& event : fresh) {
    event.number = ++last_number_;
    if (std::string plain; redact(event.text, plain)) event.text = std::move(plain);
    raised_[static_cast<std::size_t>(event.kind)].fetch_add(1, std::memory_order_relaxed);
    base::log(log_level(event.level), "event {}: {}", event_kind_name(event.kind), event.text);
    if (!sinks_.empty() && untold_.size() >= options_.kept) dropped_.fetch_add(1, std::memory_order_relaxed);
    if (!sinks_.empty() && untold_.size() < options_.kept) untold_.push_back(event);
    kept_.push_back(std::move(event));
    if (kept_.size() > options_.kept) kept_.pop_front();
  }
}

void Board::tell_sinks() {
  std::unique_lock lock(mutex_);
  while (!untold_.empty()) {
    const Event event = std::move(untold_.front());
    untold_.pop_front();
    const std::vector<std::shared_ptr<EventSink>> sinks = sinks_;
    lock.unlock();
    for (const std::shared_ptr<EventSink>& sink : sinks) sink->raised(event);
    lock.lock();
  }
}

void Board::run() {
  base::name_background_thread("events");
  bool stopping = false;
  while (!stopping) {
    {
      std::unique_lock lock(stop_mutex_);
      stop_.wait_for(lock, options_.interval, [&] { return stopping_; });
      stopping = stopping_;
    }
    {
      const std::lock_guard lock(mutex_);
      collect();
    }
    tell_sinks();
  }
}

std::vector<Event> Board::find(const EventQuery& query) {
  const std::lock_guard lock(mutex_);
  collect();
  std::vector<Event> found;
  for (auto event = kept_.rbegin(); event != kept_.rend() && found.size() < query.limit; ++event) {
    if (event->number <= query.since) break;
    if (!query.kind || event->kind == *query.kind) found.push_back(*event);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace

std::unique_ptr<Events> Events::start(Options options) {
  return std::make_unique<Board>(options);
}

void append_event_metrics(std::string& out, const Events& events) {
  out += "# HELP turnpike_events_total What operators may want to be told of.\n# TYPE turnpike_events_total counter\n";
  const std::array<std::uint64_t, kEventKinds> raised = events.raised();
  for (std::size_t i = 0; i < kEventKinds; ++i) {
    out.append("turnpike_events_total{kind=\"").append(event_kind_name(static_cast<EventKind>(i))).append("\"} ");
    out.append(std::to_string(raised[i])).append(".0\n");
  }
  out +=
      "# HELP turnpike_events_dropped_total Sightings of trouble lost because too many came at once.\n"
      "# TYPE turnpike_events_dropped_total counter\nturnpike_events_dropped_total ";
  out.append(std::to_string(events.dropped())).append(".0\n");
}

}  // namespace turnpike::telemetry
