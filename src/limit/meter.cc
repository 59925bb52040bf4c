#include "limit/meter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"

namespace turnpike::limit {
namespace {

constexpr std::int64_t kCallWaitUs = 1'000'000;

/// Lengths first: no id, whatever stands in it, can pass for another subject.
std::string name_in_store(SubjectView subject, Unit unit) {
  constexpr char kLetters[] = {'r', 't', 'p'};
  return fmt::format("{}:{}:{}:{}:{}", kLetters[static_cast<std::size_t>(unit)], static_cast<int>(subject.kind),
                     subject.entity.size(), subject.entity, subject.model);
}

}  // namespace

std::string_view descriptor_of(Kind kind) {
  switch (kind) {
    case Kind::Proxy:
      return "proxy";
    case Kind::Organization:
      return "organization";
    case Kind::Team:
      return "team";
    case Kind::TeamMember:
      return "team_member";
    case Kind::User:
      return "user";
    case Kind::Key:
      return "api_key";
    case Kind::EndUser:
      return "end_user";
    case Kind::Tag:
      return "tag";
    case Kind::OrganizationModel:
      return "model_per_organization";
    case Kind::TeamModel:
      return "model_per_team";
    case Kind::UserModel:
      return "model_per_user";
    case Kind::KeyModel:
      return "model_per_key";
    case Kind::Deployment:
      return "deployment";
    case Kind::ModelGroup:
      return "model";
    case Kind::Priority:
      return "priority";
  }
  return "";
}

std::string_view name_of(Unit unit) {
  switch (unit) {
    case Unit::Requests:
      return "requests";
    case Unit::Tokens:
      return "tokens";
    case Unit::Calls:
      return "max_parallel_requests";
  }
  return "";
}

Meter::Meter(Subject subject, Unit unit, std::chrono::microseconds window, std::shared_ptr<MeterWords> words)
    : unit_(unit), words_(std::move(words)), subject_(std::move(subject)), shared_name_(name_in_store(subject_, unit)) {
  if (has_ring()) ring_.emplace(unit == Unit::Tokens ? words_->tokens : words_->requests, window);
}

std::optional<std::int64_t> Meter::wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const {
  if (has_ring()) return ring_->wait_us(amount, limit, now_us);
  if (amount > limit) return std::nullopt;
  return used(now_us) + amount <= limit ? 0 : kCallWaitUs;
}

MeterRef Meters::find(SubjectView subject, Unit unit, std::int64_t now_us) {
  std::string name = name_in_store(subject, unit);
  const std::lock_guard lock(mutex_);
  if (const auto known = places_.find(name); known != places_.end()) return meters_[known->second];
  const std::size_t place = place_for_one_more(now_us);
  MeterRef& meter = meters_[place];
  meter = std::make_shared<Meter>(subject.own(), unit, window_, words_of(subject));
  places_.emplace(std::move(name), place);
  return meter;
}

/// Of the subject's other meters, or new.
std::shared_ptr<MeterWords> Meters::words_of(SubjectView subject) const {
  for (const Unit unit : {Unit::Requests, Unit::Tokens, Unit::Calls}) {
    if (const auto known = places_.find(name_in_store(subject, unit)); known != places_.end())
      return meters_[known->second]->words();
  }
  return std::make_shared<MeterWords>();
}

std::size_t Meters::place_for_one_more(std::int64_t now_us) {
  constexpr std::size_t kLookedAt = 32;
  if (meters_.size() >= meters_max_) {
    // Not the oldest of all, which would cost a list that every call mends: the oldest of some, in turn.
    std::size_t oldest = meters_.size();
    for (std::size_t i = 0; i < std::min(kLookedAt, meters_.size()); ++i) {
      hand_ = (hand_ + 1) % meters_.size();
      if (meters_[hand_].use_count() > 1) continue;
      if (oldest == meters_.size() || meters_[hand_]->last_us() < meters_[oldest]->last_us()) oldest = hand_;
    }
    if (oldest < meters_.size()) {
      if (meters_[oldest]->counts(now_us)) forgotten_.fetch_add(1, std::memory_order_relaxed);
      places_.erase(meters_[oldest]->shared_name());
      return oldest;
    }
  }
  // Callers and calls refer to all that were looked at; their number has limits of its own.
  meters_.emplace_back();
  count_.store(meters_.size(), std::memory_order_relaxed);
  return meters_.size() - 1;
}

NearMeters::NearMeters(Meters& all) {
  for (OfSubject& place : places_) place.all_ = &all;
}

NearMeters::OfSubject& NearMeters::of(const SubjectView& subject) {
  std::uint32_t hash = base::crc32c(static_cast<std::uint32_t>(subject.kind), subject.entity);
  if (!subject.model.empty()) hash = base::crc32c(hash, subject.model);
  OfSubject& place = places_[hash % kPlaces];
  if (!subject.is(place.subject_)) {
    place.subject_ = subject.own();
    place.meters_ = {};
  }
  return place;
}

MeterRef NearMeters::OfSubject::ask(Unit unit, std::int64_t now_us) {
  MeterRef found = all_->find(subject_, unit, now_us);
  meters_[static_cast<std::size_t>(unit)] = found;
  return found;
}

}  // namespace turnpike::limit
