#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "base/clock.h"
#include "codec/codec.h"
#include "domain/call_record.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "pipeline/drain.h"
#include "pipeline/gateway.h"
#include "pipeline/idempotency.h"
#include "price/bill.h"
#include "price/prices.h"
#include "protocol/call_request.h"
#include "protocol/openai_reply.h"
#include "protocol/reply_stream.h"
#include "router/router.h"
#include "telemetry/trace_context.h"

namespace turnpike::pipeline {

/// A caller's seconds, however many.
inline std::chrono::milliseconds to_milliseconds(double seconds) {
  constexpr double kSecondsMax = 1e7;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(seconds, kSecondsMax) * 1000.0));
}

struct OwnCall;

/// What is known of a call before anybody has admitted it: who asks, for what, in which configuration. Lives in the
/// frame of `serve_call`; everything below borrows it.
struct Call {
  Call(Gateway& gateway_in, http::Exchange& exchange_in, domain::Operation operation, std::string_view route);

  Gateway& gateway;
  Worker& worker;
  SnapshotRef snapshot;
  http::Exchange& exchange;
  telemetry::TraceContext trace;
  domain::CallRecord record;
  std::int64_t ledger_us = 0;  // When it started by ledger time: in whose windows it is booked.
  protocol::CallRequest request;
  domain::CallerRef caller;
  std::vector<domain::CallerAccount> named_accounts;  // Of the end user and the tags that the call names.
  std::vector<domain::CallerLimits> named_limits;
  base::Id128 own_id;
  base::Monotonic started;
  base::Monotonic written_at = started;  // When the caller last got something of a stream.
  bool only_comments = false;            // Of a stream's reply only head and comments have left (Keepalive).
  base::Monotonic deadline = base::Monotonic::max();  // Of the whole call.
  std::chrono::milliseconds total{0};                 // What the deadline was made from.
  std::chrono::milliseconds limit{0};                 // The latest attempt's of the first group: what ran out on 408.
  std::unique_ptr<http::Cancel> cancel;               // Requested when the caller goes.
  Drain drain;
  std::unique_ptr<prompt::CallTexts> texts;       // To be stored; null: prompts and answers are not kept.
  std::unique_ptr<Idempotency::Turn> idempotent;  // What is answered is kept for calls with the same Idempotency-Key.

  const config::Settings& settings() const { return *snapshot->settings; }
  /// Sleeps, but no longer than somebody waits for the call: false when it was cancelled meanwhile.
  Task<bool> sleep(std::chrono::milliseconds length);
  /// What a cancelled wait means for the call: the caller has gone, or the gateway is ending and says so.
  Error cancelled() const;
  /// The name the caller gets back as `model`: the one asked for, or after a fallback the group that served.
  std::string shown_model;
  std::string region;                         // Of the latest attempt's deployment, as configured.
  codec::FetchedByUrl fetched;                // Files that the request names by URL, for targets that take bytes only.
  base::PooledString limit_fields;            // Header lines about the limits of requests and tokens.
  std::string share_fields;                   // The same of a share in a model that had no room.
  std::string refusal_fields;                 // Of the first provider that refused: its headers as callers see them.
  std::shared_ptr<router::HedgeState> hedge;  // Of the group that is asked, if it is hedged.
  const OwnCall* own = nullptr;               // The gateway makes this call for itself.
};

/// What one call is expected to use, the basis of its hold.
struct Expectation {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t messages = 1;
  std::uint64_t output_tokens = 0;
  double input_factor = 1.0;  // Share of the list price that prompts of this key really cost.
  bool strict = false;        // The hold is for the worst: a strict budget is among those the call is on.
};

/// A call whose money is taken. What needs a hold takes this type: the compiler keeps the order.
struct AdmittedCall {
  Call& call;
  ledger::Hold hold;
  Expectation expected;
  limit::Admission limits = {};  // What it has taken of the limits of requests, tokens and parallel calls.
};

/// The whole of one call: identified, admitted, answered, recorded; whatever happens it ends with one record.
Task<void> carry_out(Call& call, std::string_view path_model);

/// Takes the hold for a plan, priced at the dearest deployment of its first group.
/// Errors: BudgetSpent, BudgetHeld, Unavailable, InvalidRequest (no price and a budget applies).
Task<Result<AdmittedCall>> admit(Call& call, const router::RoutePlan& plan);

/// For an answer that has been paid already: holds nothing, whatever the accounts have left.
Result<AdmittedCall> admit_replay(Call& call);

/// What an attempt on this deployment is expected to cost (strict: at worst).
Money attempt_cost(const AdmittedCall& admitted, const router::Deployment& deployment);

/// What the attempts so far have been billed.
Money billed_cost(const domain::CallRecord& record);

/// Makes the hold cover another attempt on `deployment`, beside attempts under way that may cost `beside`; false when
/// the budget does not allow it.
bool cover_attempt(AdmittedCall& admitted, const router::Deployment& deployment, Money beside = {});
/// The same for an attempt that nothing goes on beside: it can wait a moment for the money.
Task<bool> cover_next_attempt(AdmittedCall& admitted, const router::Deployment& deployment);

/// Journals what an attempt that came to nothing was billed: a crash before the end of the next one books it.
void journal_billed(AdmittedCall& admitted, std::size_t at);

/// Follows the usage of a stream: enlarges the hold when it is outgrown, journals progress every five seconds. True
/// when more has been written than was expected before this call.
bool follow_stream(AdmittedCall& admitted, const router::Deployment& deployment, const protocol::ReplyStream& stream,
                   base::Monotonic& last_progress);
/// With `stream_over_budget: cut`: BudgetSpent when what has been written so far costs more than a strict budget has.
Task<Status> check_stream_budget(AdmittedCall& admitted, const router::Deployment& deployment,
                                 const protocol::ReplyStream& stream);

/// What the expected prompt costs by itself, and attempts before have: what a crash before the first PROGRESS leaves on
/// the books.
Money prompt_cost(const AdmittedCall& admitted, const router::Deployment& deployment);

const price::Prices& prices_of(const router::Deployment& deployment);

/// What a call that writes no text uses by what it asks for, or did where its provider does not say.
domain::Usage expected_usage(const Call& call, std::uint64_t prompt_tokens, const price::Prices& prices,
                             bool worst = false);
/// The circumstances a call is billed under at one model's prices; `service_tier`: the answer's.
price::BillTerms bill_terms(const Call& call, const price::Prices& prices, std::string_view service_tier);

/// A provider's answer that may go to the caller: a whole reply, or a stream up to its first content.
struct Answer : base::PooledObject {
  router::DeploymentRef deployment;
  std::size_t at = 0;                                 // Its attempt's place in the record,
  std::uint32_t number = 1;                           // and the one it had when the journal was told of it.
  credential::CredentialRef credential;               // What it was sent with; null for mocked answers.
  codec::Encoded request;                             // What was sent; the answer is read by its terms.
  std::unique_ptr<http::Incoming> incoming;           // Null for mocked answers.
  std::vector<std::unique_ptr<http::Incoming>> more;  // The answers to `request.more`.
  protocol::ReplyFacts facts;
  std::unique_ptr<protocol::ReplyStream> stream;  // Null: a whole reply.
  std::string scratch;                            // Owns what the pieces below inserted.
  std::vector<std::string_view> pieces;           // The reply, or the first pieces of the stream.
  bool upstream_ended = false;                    // The stream has been read to its end.
  bool mocked = false;
  std::size_t group_size = 1;  // Of the group that answers.
  router::Slot slot;           // The call counts as under way until the provider's part is over.
  limit::Admission limits;     // What it has taken of its deployment's, until the tokens it used are known.
  std::string extra_fields;    // Provider headers passed on, rendered.
  std::string content_type;    // Of an answer that is neither JSON nor server-sent events: the provider's.
};
using AnswerRef = std::unique_ptr<Answer>;  // Handed up from the attempt to whoever sends it.

/// The attempt loop: retries, next deployments, fallbacks, until an answer may go out or the plan ends. The error that
/// comes back is the first one of the first group, as callers of LiteLLM know it.
/// The plan is bent on the way: where a failure leads depends on its kind.
Task<Result<AnswerRef>> run_plan(AdmittedCall& admitted, router::RoutePlan& plan);

/// What the call's plan is made from; borrows the call.
router::Planning planning_of(Call& call);

/// Its provider or it itself has a budget in the configuration: a call that asks it is booked there, too.
bool has_own_budget(const Call& call, const router::Deployment& deployment);

/// What this call is to the router: what `router::pick` and `router::outlook` go by.
router::PickInput pick_input(const AdmittedCall& admitted, std::span<const std::string> tried);

/// Sends the answer and settles: the entry is journaled before the last byte leaves.
Task<void> send_whole(AdmittedCall& admitted, AnswerRef answer);
Task<void> send_stream(AdmittedCall& admitted, AnswerRef answer);

/// Ends an admitted call with its one entry. `usage` of the attempts must be final.
void settle(AdmittedCall& admitted, domain::EntryStatus status);

/// Gives an attempt (its place in the record) its usage and cost: what the provider said, else our count of the request
/// and `output_text` (spec money 2, rules a to c). Waits only when counting is long (above 32 KB, off the I/O thread).
Task<void> bill_attempt(AdmittedCall& admitted, std::size_t at, const router::Deployment& deployment,
                        std::optional<domain::Usage> reported, std::string_view service_tier,
                        std::string_view output_text, std::uint64_t output_bytes);

/// The reply's header lines (spec http-api 7), below 4096 bytes; deployment and address are the last attempt's.
std::string reply_fields(const Call& call, std::string_view provider_fields, bool with_cost);
/// Gives the room of sent fields back for the thread's next reply.
void keep_fields(std::string fields);
/// The provider's own headers as callers see them: `llm_provider-*` and rate limits.
std::string provider_fields(const http::Incoming& incoming);

/// The head of a reply that is a stream. `type` empty: server-sent events.
http::ReplyHead stream_head(std::string fields, std::string_view type);
/// Begins the reply to a stream, unless a comment has begun it already. `type` empty: server-sent events.
void begin_stream(Call& call, std::string_view provider_fields, std::string_view type);

/// The status a call has in the books that ends with this error: the one its caller sees.
int status_for(const Call& call, const Error& error);

/// Answers with an error in the caller's dialect if nothing has been sent, or, behind comments, with an event that says
/// so; the call is closed by the caller of this.
Task<void> send_error(Call& call, const Error& error);

}  // namespace turnpike::pipeline
