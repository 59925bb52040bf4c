#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cases.h"
#include "pipeline/test_pipeline.h"
#include "provider.h"

namespace turnpike::storm {

/// The configuration the storm is weathered under, as far as the judge needs it.
struct Terms {
  std::chrono::milliseconds timeout{30'000};
  std::chrono::milliseconds deployment_timeout{10'000};  // Of all deployments but the third.
  std::chrono::milliseconds stream_timeout{6'000};
  std::chrono::milliseconds stream_idle_timeout{5'000};
  std::chrono::milliseconds cooldown_time{5'000};
  int retries = 2;
  std::size_t attempts_max = 6;
  std::int64_t input_nano = 1'000;  // Prices of a token.
  std::int64_t output_nano = 2'000;
};

/// What came of a storm.
struct Tally {
  std::uint64_t calls = 0, answered = 0, refused = 0, left = 0, mistaken = 0;
  std::uint64_t retried = 0, fell_back = 0;
  std::uint64_t broken_streams = 0, broken_told = 0;
  // Of calls that ended before their first content while a deployment was healthy, as it had been long enough to be
  // known for it; `by_rule`: no attempt was left that would not have broken a rule. `strict`: from the first moment.
  std::uint64_t due = 0, due_answered = 0, by_rule = 0, strict = 0, strict_answered = 0;
  std::uint64_t attempts = 0, exact = 0, estimated = 0;
  std::int64_t cost_nano = 0;
  std::uint64_t rests = 0;
};

/// What the ledger must say of a call.
struct Booked {
  std::int64_t cost_nano = -1;
  std::uint64_t marks = 0;
  domain::EntryStatus status = domain::EntryStatus::Failure;
};

/// Holds the end of every call against what its providers know: told by the gateway itself, as its metrics are.
///
/// Threading: the one I/O thread.
class Judge : public pipeline::Records {
 public:
  Judge(const Terms& terms, Cases& cases, const std::array<std::unique_ptr<Provider>, kDeployments>& providers,
        std::size_t calls)
      : terms_(terms), cases_(cases), providers_(providers), booked_(calls) {}

  void call_ended(std::size_t worker, const domain::CallRecord& record) override;
  /// Whatever was to be told of the call has been.
  void close(const Case& ended);
  void count_rests(std::uint64_t more) { tally_.rests += more; }
  /// A rest that began a little before.
  void rest_began(std::size_t deployment, ErrorKind cause, std::int64_t now_us);
  /// All calls have ended.
  void finish();
  /// Something is as it must not be. The first of each kind is kept with its circumstances.
  void object(const std::string& rule, const std::string& circumstances);

  const Tally& tally() const { return tally_; }
  const std::vector<Booked>& booked() const { return booked_; }
  bool satisfied() const { return objections_.empty(); }
  std::string objections() const;

 private:
  void judge(Case& ended, const domain::CallRecord& record);
  void judge_attempts(const Case& ended, const domain::CallRecord& record);
  void judge_bills(const Case& ended, const domain::CallRecord& record);
  void judge_bill(const Case& ended, const domain::CallRecord& record, const domain::Attempt& attempt,
                  const Served* served);
  void judge_answer(const Case& ended, const domain::CallRecord& record);
  void judge_refusal(const Case& ended, const domain::CallRecord& record);
  /// What the provider of an attempt did; of those it asked twice, at last.
  Fault fault_of(const Case& ended, const domain::Attempt& attempt) const;
  void judge_chance(const Case& ended, const domain::CallRecord& record, bool answered);
  std::int64_t total_us(const Ask& ask) const;

  const Terms terms_;
  Cases& cases_;
  const std::array<std::unique_ptr<Provider>, kDeployments>& providers_;
  std::vector<Booked> booked_;
  Tally tally_;
  std::map<std::string, std::pair<std::uint64_t, std::string>> objections_;
  std::string unanswered_;  // The first that should have been answered.
};

/// A call's number in the id its caller gave it.
std::string call_id_of(std::uint32_t number);
std::uint32_t number_of(std::string_view call_id);

}  // namespace turnpike::storm
