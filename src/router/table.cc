#include <algorithm>
#include <array>
#include <cmath>

#include "router/deployments.h"
#include "router/router.h"
#include "router/sticky.h"
#include "router/wildcard.h"

namespace turnpike::router {
namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class T>
using ByName = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

template <class T>
const T* find_in(const ByName<T>& map, std::string_view name) {
  const auto it = map.find(name);
  return it == map.end() ? nullptr : &it->second;
}

std::string_view without_provider(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
}

}  // namespace

struct RoutingTable::Impl {
  std::vector<ModelGroupRef> groups;  // In the order of their first deployment, wildcards included.
  ByName<ModelGroupRef> exact;
  ByName<ModelGroupRef> by_id;
  ByName<ModelGroupRef> by_model;  // litellm_params.model
  ByName<std::string> aliases;
  struct Pattern {
    Wildcard wildcard;
    ModelGroupRef group;
  };
  std::vector<Pattern> patterns;  // The first that matches wins.
  ByName<std::shared_ptr<Health>> health;
  std::vector<std::string> public_names;
  std::array<ByName<std::vector<config::FallbackTarget>>, kFallbackLists> fallbacks;
  std::vector<std::string> default_fallbacks;
  CommonParts common;
  Pricer pricer;

  void add(Deployment deployment, const RoutingTable* previous, const config::Settings& settings);
  void set_traffic(const config::TurnpikeSettings& settings, const RoutingTable* previous);
  void set_capacity(const config::PrioritySettings& settings);
  void list_names(const config::Settings& settings);
  void list_fallbacks(const config::RouterSettings& router, std::span<const StoredFallbacks> stored);
  ModelGroupRef match(std::string_view model) const;
  ModelGroupRef made_for(const Pattern& pattern, const std::vector<std::string_view>& captures,
                         std::string_view model) const;
  ModelGroupRef find_wildcard(std::string_view model, GroupCache& cache) const;
};

void RoutingTable::Impl::add(Deployment deployment, const RoutingTable* previous, const config::Settings& settings) {
  if (by_id.contains(deployment.id)) return;  // Two sources say the same.
  const std::string& identity = deployment.identity.empty() ? deployment.id : deployment.identity;
  const std::shared_ptr<Health>* known = previous == nullptr ? nullptr : find_in(previous->impl_->health, identity);
  if (known != nullptr) deployment.health = *known;
  if (!deployment.health) deployment.health = std::make_shared<Health>();
  deployment.seed = seed_of(identity);
  health.emplace(identity, deployment.health);
  // A wildcard is priced when the name is known.
  if (pricer && !deployment.wildcard) deployment.prices = pricer(deployment);

  const std::string name = deployment.model_group;
  const auto shared = std::make_shared<const Deployment>(std::move(deployment));
  const auto append = [&](ByName<ModelGroupRef>& map, const std::string& key, const std::string& group_name,
                          bool precise) {
    ModelGroupRef& group = map[key];
    if (!group) {
      auto made =
          std::make_shared<ModelGroup>(ModelGroup{group_name, {}, precise, routing_of(settings.router, group_name)});
      made->stick = stick_of(settings, group_name);
      group = std::move(made);
    }
    // Nobody else has seen the group yet: the table is still being built.
    std::const_pointer_cast<ModelGroup>(group)->deployments.push_back(shared);
  };
  append(by_id, shared->id, name, true);
  append(exact, name, name, false);
  if (!shared->wildcard) append(by_model, shared->config_model, name, false);
}

/// Which groups get second attempts and mirrors. What a group has learned stays while its name does.
void RoutingTable::Impl::set_traffic(const config::TurnpikeSettings& settings, const RoutingTable* previous) {
  for (const ModelGroupRef& shared : groups) {
    // Nobody else has seen the group yet: the table is still being built.
    ModelGroup& group = *std::const_pointer_cast<ModelGroup>(shared);
    for (const config::GroupMirroring& rule : settings.mirroring) {
      if (rule.model_group == group.name) group.mirrors.push_back({rule.to, rule.percent / 100});
    }
    const config::GroupHedging* rule = nullptr;
    for (const config::GroupHedging& one : settings.hedging) {
      const bool own = one.model_group == group.name;
      if (own || (rule == nullptr && one.model_group == "*")) rule = &one;
    }
    if (rule == nullptr) continue;
    const ModelGroupRef* before = previous == nullptr ? nullptr : find_in(previous->impl_->exact, group.name);
    group.hedge.extra_share_ppm = std::llround(rule->extra_spend_percent * 10'000);
    group.hedge.state = before == nullptr ? nullptr : (*before)->hedge.state;
    if (!group.hedge.state) group.hedge.state = std::make_shared<HedgeState>();
  }
}

/// What groups are held to, by whatever name one comes to their deployments.
void RoutingTable::Impl::set_capacity(const config::PrioritySettings& settings) {
  if (!settings.capacity_holds) return;
  for (const ModelGroupRef& group : groups) {
    Capacity capacity = capacity_of(group->name, group->deployments, settings);
    if (capacity.requests || capacity.tokens)
      std::const_pointer_cast<ModelGroup>(group)->capacity = std::make_shared<const Capacity>(std::move(capacity));
  }
  for (ByName<ModelGroupRef>* names : {&by_id, &by_model}) {
    for (auto& [name, group] : *names)
      std::const_pointer_cast<ModelGroup>(group)->capacity = exact.at(group->name)->capacity;
  }
}

void RoutingTable::Impl::list_names(const config::Settings& settings) {
  for (const ModelGroupRef& group : groups) public_names.push_back(group->name);
  for (const config::GroupAlias& alias : settings.router.model_group_alias) {
    aliases[alias.alias] = alias.target;
    if (!alias.hidden && !exact.contains(alias.alias)) public_names.push_back(alias.alias);
  }
}

void RoutingTable::Impl::list_fallbacks(const config::RouterSettings& router, std::span<const StoredFallbacks> stored) {
  const std::vector<config::Fallback>* lists[kFallbackLists] = {&router.fallbacks, &router.context_window_fallbacks,
                                                                &router.content_policy_fallbacks};
  for (std::size_t list = 0; list < kFallbackLists; ++list) {
    fallbacks[list].clear();
    for (const config::Fallback& fallback : *lists[list])
      fallbacks[list].try_emplace(fallback.model_group, fallback.targets);
  }
  default_fallbacks = router.default_fallbacks;
  if (!default_fallbacks.empty()) {
    auto& general = fallbacks[static_cast<std::size_t>(FallbackList::General)];
    general.try_emplace("*", default_fallbacks.begin(), default_fallbacks.end());
  }
  for (const StoredFallbacks& own : stored) {
    auto& list = fallbacks[static_cast<std::size_t>(own.list)];
    list.erase(own.model);
    if (!own.targets.empty()) list.try_emplace(own.model, own.targets.begin(), own.targets.end());
  }
}

/// A group for one name that matched: every deployment of the pattern with the captured parts in its model. Null when
/// no deployment can serve the name.
ModelGroupRef RoutingTable::Impl::made_for(const Pattern& pattern, const std::vector<std::string_view>& captures,
                                           std::string_view model) const {
  auto group = std::make_shared<ModelGroup>();
  group->name = model;
  group->routing = pattern.group->routing;
  group->hedge = pattern.group->hedge;
  group->mirrors = pattern.group->mirrors;
  group->stick = pattern.group->stick;
  group->capacity = pattern.group->capacity;
  for (const DeploymentRef& original : pattern.group->deployments) {
    Deployment made = *original;
    if (made.target.provider == nullptr) {
      if (!made.entry || !aim(made, fill_stars(original->config_model, captures, model), *made.entry, common, nullptr))
        continue;
    } else {
      const bool whole_name = std::count(made.target.model.begin(), made.target.model.end(), '*') >
                              static_cast<std::ptrdiff_t>(captures.size());
      made.target.model = fill_stars(made.target.model, captures, model);
      made.config_model = fill_stars(made.config_model, captures, model);
      const std::string prefix = std::string(made.target.provider->name) + "/";
      if (whole_name && made.target.model.starts_with(prefix)) made.target.model.erase(0, prefix.size());
      if (made.base_model.empty()) made.price_name = prefix + made.target.model;
    }
    if (pricer) made.prices = pricer(made);
    group->deployments.push_back(std::make_shared<const Deployment>(std::move(made)));
  }
  return group->deployments.empty() ? nullptr : group;
}

ModelGroupRef RoutingTable::Impl::match(std::string_view model) const {
  const auto as_written = [&](std::string_view name) -> ModelGroupRef {
    for (const Pattern& pattern : patterns) {
      if (const auto captures = pattern.wildcard.match(name)) {
        if (ModelGroupRef group = made_for(pattern, *captures, name)) return group;
      }
    }
    return nullptr;
  };
  if (ModelGroupRef group = as_written(model)) return group;
  if (model.find('/') != std::string_view::npos) return nullptr;
  const provider::Resolved resolved = provider::resolve_model(model, "", "", common.listing, common.own.get());
  if (resolved.provider == nullptr) return nullptr;
  return as_written(std::string(resolved.provider->name) + "/" + std::string(model));
}

ModelGroupRef RoutingTable::Impl::find_wildcard(std::string_view model, GroupCache& cache) const {
  if (patterns.empty() || model.size() > Wildcard::kNameBytesMax) return nullptr;
  const auto it = cache.groups.find(std::string(model));
  if (it != cache.groups.end()) return it->second;
  ModelGroupRef group = match(model);
  if (!group) return nullptr;
  if (cache.groups.size() >= GroupCache::kGroupsMax) cache.groups.clear();
  cache.groups.emplace(model, group);
  return group;
}

std::shared_ptr<const RoutingTable> RoutingTable::build(std::vector<Source> sources, const config::Settings& settings,
                                                        const RoutingTable* previous, Pricer pricer,
                                                        provider::FindListing listing) {
  auto impl = std::make_unique<Impl>();
  impl->common = common_parts(settings, listing);
  impl->pricer = std::move(pricer);
  std::vector<std::string> order;
  for (Source& source : sources) {
    for (Deployment& deployment : source.deployments) {
      if (std::string name = deployment.model_group; !impl->exact.contains(name)) order.push_back(std::move(name));
      impl->add(std::move(deployment), previous, settings);
    }
  }
  for (const std::string& name : order) {
    const ModelGroupRef& group = impl->exact[name];
    impl->groups.push_back(group);
    if (name.find('*') != std::string::npos) impl->patterns.push_back({Wildcard(name), group});
  }
  std::sort(impl->patterns.begin(), impl->patterns.end(), [](const Impl::Pattern& a, const Impl::Pattern& b) {
    if (a.wildcard.comes_before(b.wildcard)) return true;
    return !b.wildcard.comes_before(a.wildcard) && a.wildcard.pattern() < b.wildcard.pattern();
  });
  impl->set_traffic(settings.turnpike, previous);
  impl->set_capacity(settings.litellm.priorities);
  impl->list_names(settings);
  impl->list_fallbacks(settings.router, {});
  return std::make_shared<const RoutingTable>(std::move(impl));
}

std::shared_ptr<const RoutingTable> RoutingTable::with_fallbacks(const config::Settings& settings,
                                                                 std::span<const StoredFallbacks> stored) const {
  auto impl = std::make_unique<Impl>(*impl_);
  impl->list_fallbacks(settings.router, stored);
  return std::make_shared<const RoutingTable>(std::move(impl));
}

RoutingTable::RoutingTable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RoutingTable::~RoutingTable() = default;

ModelGroupRef RoutingTable::find_named(std::string_view model, GroupCache& cache) const {
  if (model.empty()) return nullptr;
  if (const ModelGroupRef* group = find_in(impl_->by_id, model)) {
    if (!(*group)->deployments.front()->wildcard) return *group;
  }
  if (!impl_->aliases.empty()) {
    if (const std::string* target = find_in(impl_->aliases, model)) model = *target;
  }
  // A pattern asked for by its own text is no name.
  const bool literal = model.find('*') == std::string_view::npos;
  if (literal) {
    if (const ModelGroupRef* group = find_in(impl_->exact, model)) return *group;
    if (ModelGroupRef group = impl_->find_wildcard(model, cache)) return group;
    if (const ModelGroupRef* group = find_in(impl_->by_model, model)) return *group;
  }
  return nullptr;
}

ModelGroupRef RoutingTable::find(std::string_view model, GroupCache& cache) const {
  if (ModelGroupRef group = find_named(model, cache)) return group;
  return impl_->default_fallbacks.empty() ? nullptr : find_named(impl_->default_fallbacks.front(), cache);
}

const std::vector<std::string>& RoutingTable::public_names() const {
  return impl_->public_names;
}
const std::vector<ModelGroupRef>& RoutingTable::groups() const {
  return impl_->groups;
}
const std::vector<std::string>& RoutingTable::default_fallbacks() const {
  return impl_->default_fallbacks;
}

const std::vector<config::FallbackTarget>* RoutingTable::fallbacks_of(std::string_view group, FallbackList list) const {
  const auto& map = impl_->fallbacks[static_cast<std::size_t>(list)];
  if (map.empty()) return nullptr;
  if (const auto* targets = find_in(map, group)) return targets;
  if (const auto* targets = find_in(map, without_provider(group))) return targets;
  return find_in(map, "*");
}

const std::vector<config::FallbackTarget>* RoutingTable::own_fallbacks_of(std::string_view model,
                                                                          FallbackList list) const {
  return find_in(impl_->fallbacks[static_cast<std::size_t>(list)], model);
}

bool RoutingTable::has(FallbackList list) const {
  return !impl_->fallbacks[static_cast<std::size_t>(list)].empty();
}

}  // namespace turnpike::router
