#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/block_pool.h"
#include "base/result.h"
#include "config/settings.h"
#include "protocol/call_request.h"
#include "router/capacity.h"
#include "router/decide.h"
#include "router/deployment.h"
#include "router/hedge.h"
#include "router/strategy.h"

namespace turnpike::router {

/// A share of a group's calls is repeated on another group, off the caller's path.
struct Mirror {
  std::string to;
  double share = 0;  // 0.1: every tenth call, at random.
};

struct ModelGroup {
  std::string name;
  std::vector<DeploymentRef> deployments;
  bool precise = false;  // Named by a deployment's id: taken as it is, cooling or not (spec config 2.3).
  Routing routing = {};
  Hedge hedge = {};
  std::vector<Mirror> mirrors = {};
  Stick stick = {};
  CapacityRef capacity = {};  // Null: it is not held to, and nobody has a share in it.
};
using ModelGroupRef = std::shared_ptr<const ModelGroup>;

/// Which of the configured lists a failure leads along.
enum class FallbackList : std::uint8_t { General, ContextWindow, ContentPolicy };
inline constexpr std::size_t kFallbackLists = 3;

/// Groups made from wildcards, kept by an I/O thread for its own table; bounded, emptied when the table is swapped.
struct GroupCache {
  static constexpr std::size_t kGroupsMax = 4096;
  std::unordered_map<std::string, std::shared_ptr<const ModelGroup>> groups;
};

/// Fallbacks of one model that an administrator has set while the gateway ran: they stand in the place of the
/// configuration's list of that kind for that model.
struct StoredFallbacks {
  std::string model;
  FallbackList list = FallbackList::General;
  std::vector<std::string> targets;  // Empty: none, whatever the configuration says.
};

/// The groups and fallbacks of one configuration: an immutable snapshot. Deployments come from a list of sources
/// (config today, database later) merged here; `Health` of an id that was there before is taken over.
class RoutingTable {
 public:
  struct Source {
    std::vector<Deployment> deployments;
  };
  static std::shared_ptr<const RoutingTable> build(std::vector<Source> sources, const config::Settings& settings,
                                                   const RoutingTable* previous, Pricer pricer,
                                                   provider::FindListing listing = nullptr);

  /// The same groups with other stored fallbacks; what is not stored is as `settings` say.
  std::shared_ptr<const RoutingTable> with_fallbacks(const config::Settings& settings,
                                                     std::span<const StoredFallbacks> stored) const;

  /// The group a name leads to (spec config 2.3): deployment id, alias, exact name, wildcards (longest pattern first),
  /// upstream model name, default_fallbacks. A wildcard match is a group made for this name with the captured parts put
  /// in, priced by the Pricer, and kept in `cache`. Null: nobody serves it.
  std::shared_ptr<const ModelGroup> find(std::string_view model, GroupCache& cache) const;
  /// The same without default_fallbacks.
  ModelGroupRef find_named(std::string_view model, GroupCache& cache) const;

  /// Names for GET /v1/models and for "did you mean"; wildcards as written, hidden aliases left out.
  const std::vector<std::string>& public_names() const;
  const std::vector<ModelGroupRef>& groups() const;
  /// Configured fallbacks of a group (exact, without provider prefix, then "*"), in order; null: none.
  const std::vector<config::FallbackTarget>* fallbacks_of(std::string_view group,
                                                          FallbackList list = FallbackList::General) const;
  /// The entry for just this name; null: none.
  const std::vector<config::FallbackTarget>* own_fallbacks_of(std::string_view model, FallbackList list) const;
  /// Any group has such a list.
  bool has(FallbackList list) const;
  const std::vector<std::string>& default_fallbacks() const;

  struct Impl;
  explicit RoutingTable(std::unique_ptr<Impl> impl);
  ~RoutingTable();

 private:
  std::unique_ptr<Impl> impl_;
};

/// Turns the model_list of the settings into deployments (provider resolved, keys and bases from config or
/// environment). An entry that cannot be built is left out and named in `problems` ("config.yaml:12: ..."); one without
/// the key it needs is served (the provider will refuse its calls) and named as well.
struct Problem {
  std::string position;
  std::string text;
  bool left_out = true;
};
std::vector<Deployment> deployments_of(const config::Settings& settings, std::vector<Problem>& problems,
                                       provider::FindListing listing = nullptr);

/// Why deployments_of would leave `entry` out, for the loader; nothing when it can be built.
/// `rows`: what the configuration adds to the catalogue.
std::optional<config::Refusal> refusal_of(const config::ModelEntry& entry, const config::Environment& environment,
                                          const std::vector<config::ProviderRow>& rows, provider::FindListing listing);

/// Whom a call may go to, in order: the first group, then fallbacks; each with its own attempts.
struct RoutePlan {
  struct Stop {
    std::string requested;  // The group's name as asked or configured.
    ModelGroupRef group;
    std::string overrides_json;                 // Parameters that replace the request's.
    std::size_t depth = 0;                      // Fallbacks of this stop follow it, one deeper.
    FallbackList list = FallbackList::General;  // Which of its lists they are.
  };
  std::vector<Stop, base::PooledAllocator<Stop>> stops;
  RetryPolicy policy;
  DeploymentRef pinned;                     // A plan may be pinned to one deployment (responses, sessions); null: free.
  const domain::KeyRouting* key = nullptr;  // Planning::key
};

/// What plans are made from.
struct Planning {
  const RoutingTable& table;
  const config::Settings& settings;
  const protocol::CallRequest& call;
  GroupCache& cache;
  std::function<bool(std::string_view)> allowed;  // The caller may use a group; none: all. (AC-FALL-3)
  bool disable_fallbacks = false;                 // Beside what the request says.
  /// What the key says, behind the request and before the settings; null: nothing. Outlives the plan. Its numbers are
  /// in `call` already (RoutingWishes::complete); a fallback it names that the caller may not use is passed over.
  const domain::KeyRouting* key = nullptr;
};

/// Errors: InvalidRequest (unknown model, nearest names offered, param "model"; unknown fallback of the request, param
///         "fallbacks"), PermissionDenied (a fallback of the request that the caller may not use).
/// Limits: fallbacks of fallbacks down to `max_fallbacks`, each group once, at most `kStopsMax` stops.
Result<RoutePlan> plan(const Planning& planning, std::string_view model);

/// The stops behind `at` are those that a failure of this kind leads to: context_window_fallbacks and
/// content_policy_fallbacks where such a list is set, else the general one.
void lead_on(RoutePlan& plan, std::size_t at, ErrorKind kind, const Planning& planning);

/// An answer that was filtered is to be treated as a refusal: a fallback for just that waits, or a default one.
bool catches_filtered(const RoutePlan& plan, std::size_t at, const Planning& planning);

inline constexpr std::size_t kStopsMax = 32;

/// The policy for a failure of this deployment at this stop: retry policies of the key, of its group and of the router,
/// its own num_retries, what the call or the router says.
RetryPolicy policy_for(const RoutePlan& plan, std::size_t at, const Deployment& deployment,
                       const config::RouterSettings& settings);

/// A call under way on a deployment, counted until this ends: for streams, until their end.
class Slot {
 public:
  Slot() = default;
  /// Nothing when `limit` calls are under way already.
  static std::optional<Slot> take(std::shared_ptr<Health> health, std::optional<int> limit);
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept {
    std::swap(health_, other.health_);
    return *this;
  }
  ~Slot() { end(); }
  void end();

 private:
  explicit Slot(std::shared_ptr<Health> health) : health_(std::move(health)) {}
  std::shared_ptr<Health> health_;
};

inline constexpr std::chrono::seconds kProbeMax{60};
struct Pick {
  DeploymentRef deployment;  // Null: those who could answer have all calls they may have; ask again soon.
  bool probe = false;
  Slot slot = {};
};
/// Picks the deployment of the next attempt and counts the call on it. In order: access groups, tags, region, what the
/// request needs, the length of the prompt, rpm and tpm of the minute, health, calls at a time; those not tried in this
/// call if one is left; the smallest `order`; then what keeps calls together, else the strategy of the group. When all
/// are cooling the least bad one gets a probe if none is out (AC-COOL-3). Errors: NoDeployment with retry_after =
/// shortest remaining cooldown, or what is left of the minute, and the text of spec routing 2.2; UpstreamContextWindow
/// (no deployment takes so long a prompt); InvalidRequest (none in the region);
/// Unauthenticated (none with the tags); PermissionDenied (none in the access groups).
Result<Pick> pick(const ModelGroup& group, const PickInput& input);

/// The group after a failure, to the same call: only whom its tags, region, length and the limits leave is looked at.
struct Outlook {
  std::size_t members = 0;     // Who may answer such a call, resting or not.
  bool other_healthy = false;  // One of them is well and not tried yet;
  bool level_left = false;     // one of those stands on a higher `order` than the one that failed.
  bool same_healthy = false;   // The one that failed is still well.
};
/// `failed`: null when nobody could be picked.
Outlook outlook(const ModelGroup& group, const PickInput& input, const Deployment* failed);

/// What the settings say of rests, for failures of this deployment.
CooldownPolicy cooldown_policy(const config::RouterSettings& settings, const Deployment& deployment);

/// What an attempt did to its deployment: counts, cools, ends a probe. Every pick is followed by exactly one of
/// note_success, note_failure and note_unasked, also when the caller hung up (a failure of kind CallerGone counts
/// nowhere).
void note_success(const Deployment& deployment, std::int64_t now_us, bool probe);
/// True when the deployment was cooled by this failure.
bool note_failure(const Deployment& deployment, const Error& error, std::size_t group_size,
                  const CooldownPolicy& policy, std::int64_t now_us, bool probe);
/// A stream that had begun well (`note_success`) has broken: a failure of the same call. True when it cooled.
bool note_broken(const Deployment& deployment, const Error& error, std::size_t group_size, const CooldownPolicy& policy,
                 std::int64_t now_us);
/// Another replica has put it to rest, for so long from now on.
void rest_as_told(const Deployment& deployment, std::chrono::milliseconds time, ErrorKind kind, int status,
                  std::int64_t now_us);
/// What the strategies learn from an answer, when its usage is known; `window` and `ttl_us`: see Recent.
struct AnswerFigures {
  std::int64_t duration_us = 0;
  std::uint64_t tokens = 0;  // Of prompt and answer.
  std::uint64_t tokens_written = 0;
  std::size_t window = 10;
  std::int64_t ttl_us = 3'600'000'000;
};
void note_answer(const Deployment& deployment, const AnswerFigures& figures, std::int64_t now_us);
/// The first content of a stream has come.
void note_first_content(const Deployment& deployment, std::int64_t after_us, std::size_t window, std::int64_t ttl_us,
                        std::int64_t now_us);
/// What a probe has shown (health_check_interval); null: it is well.
void note_check(const Deployment& deployment, const Error* error, std::int64_t now_us);
/// After a success: true for the first one since the deployment was put to rest, when that rest is over.
bool is_back(const Deployment& deployment, std::int64_t now_us);
/// Whether a deployment of the group rests, or has failed in the minute that is running.
bool has_trouble(const ModelGroup& group, std::int64_t now_us);
/// The provider was not asked after all (a mocked answer, no money for the attempt).
void note_unasked(const Deployment& deployment, bool probe);

}  // namespace turnpike::router
