#include "drill/plan.h"

#include <algorithm>
#include <map>

#include "json/write.h"
#include "price/catalogue.h"
#include "provider/own_providers.h"
#include "provider/provider.h"
#include "router/wildcard.h"

namespace turnpike::drill {
namespace {

std::optional<domain::Operation> operation_of(std::string_view mode) {
  if (mode.empty() || mode == "chat" || mode == "responses") return domain::Operation::Chat;
  if (mode == "completion") return domain::Operation::Completion;
  if (mode == "embedding") return domain::Operation::Embedding;
  return std::nullopt;
}

provider::Resolved resolve(const config::ModelEntry& entry, std::string_view model, const provider::OwnProviders& own) {
  return provider::resolve_model(model, entry.custom_llm_provider, entry.api_base, nullptr, &own);
}

/// What the price list knows of a deployment's model.
price::Prices listing_of(const config::ModelEntry& entry, std::string_view model, const provider::OwnProviders& own) {
  const provider::Resolved resolved = resolve(entry, model, own);
  price::PriceQuery query;
  if (resolved.provider != nullptr) query.provider = resolved.provider->name;
  query.model = resolved.model;
  query.base_model = entry.base_model;
  Result<price::Prices> listed = price::Catalogue::built_in()->resolve(query);
  return listed ? std::move(*listed) : price::Prices();
}

/// A listed chat model of the provider that `pattern` (without the provider) matches, and what its stars stand for.
struct Named {
  std::string model;
  std::vector<std::string> captures;
};
Named listed_model(std::string_view provider, std::string_view pattern) {
  const auto catalogue = price::Catalogue::built_in();
  const router::Wildcard wildcard(pattern);
  for (const std::string& name : catalogue->names_of(provider)) {
    const auto captures = wildcard.match(name);
    if (!captures || name.find('*') != std::string::npos) continue;
    const Result<price::Prices> prices = catalogue->resolve({provider, name, {}, {}});
    if (!prices || prices->mode != "chat") continue;
    return {name, {captures->begin(), captures->end()}};
  }
  return {"drill", {"drill"}};
}

std::string filled(std::string_view pattern, const std::vector<std::string>& captures, std::string_view name) {
  return router::fill_stars(pattern, {captures.begin(), captures.end()}, name);
}

/// A name that leads to the group and means a model its provider has.
std::string asked_of(const config::ModelEntry& entry, const provider::OwnProviders& own) {
  if (entry.model_name.find('*') == std::string::npos) return entry.model_name;
  if (entry.model == "*" && entry.custom_llm_provider.empty()) {
    // The name decides whose model it is: one of OpenAI's will do.
    return filled(entry.model_name, {"openai/" + listed_model("openai", "gpt-4o*").model}, entry.model_name);
  }
  const provider::Resolved resolved = resolve(entry, entry.model, own);
  if (resolved.provider == nullptr || resolved.model.find('*') == std::string::npos) {
    return filled(entry.model_name, {"drill"}, entry.model_name);
  }
  const Named named = listed_model(resolved.provider->name, resolved.model);
  return filled(entry.model_name, named.captures, named.model);
}

Group group_of(const config::Settings& settings, const std::string& name, const std::vector<std::size_t>& places) {
  Group group;
  group.name = name;
  group.deployments = places;
  const config::RouterSettings& router = settings.router;
  group.fallbacks = fallbacks_of(router.fallbacks, name);
  if (group.fallbacks.empty()) group.fallbacks = router.default_fallbacks;
  std::erase(group.fallbacks, name);
  group.context_window_fallbacks =
      router.context_window_fallbacks.empty() ? group.fallbacks : fallbacks_of(router.context_window_fallbacks, name);
  group.content_policy_fallbacks =
      router.content_policy_fallbacks.empty() ? group.fallbacks : fallbacks_of(router.content_policy_fallbacks, name);
  return group;
}

bool exists(const Groups& groups, std::string_view name) {
  return std::ranges::any_of(groups.drilled, [name](const Group& group) {
    return group.name == name || router::Wildcard(group.name).match(name).has_value();
  });
}

/// A fallback that this fault leads to and that is served.
bool leads_on(const Groups& groups, const Group& group, const Fault& fault) {
  const std::vector<std::string>& list = fault.name == "context-too-long"  ? group.context_window_fallbacks
                                         : fault.name == "content-refused" ? group.content_policy_fallbacks
                                                                           : group.fallbacks;
  return std::ranges::any_of(list, [&](const std::string& name) { return exists(groups, name); });
}

}  // namespace

std::vector<std::string> fallbacks_of(const std::vector<config::Fallback>& lists, std::string_view group) {
  const std::size_t slash = group.find('/');
  const std::string_view bare = slash == std::string_view::npos ? std::string_view() : group.substr(slash + 1);
  for (const std::string_view wanted : {group, bare, std::string_view("*")}) {
    for (const config::Fallback& list : lists) {
      if (wanted.empty() || list.model_group != wanted) continue;
      std::vector<std::string> names;
      for (const config::FallbackTarget& target : list.targets) names.push_back(target.model);
      return names;
    }
  }
  return {};
}

Groups groups_of(const config::Settings& settings, std::span<const std::string> wanted) {
  const provider::OwnProviders own(settings.turnpike.providers);
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < settings.models.size(); ++i) {
    const std::string& name = settings.models[i].model_name;
    if (!places.contains(name)) order.push_back(name);
    places[name].push_back(i);
  }
  Groups groups;
  for (const std::string& name : order) {
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
    Group group = group_of(settings, name, places[name]);
    const config::ModelEntry& first = settings.models[group.deployments.front()];
    group.asked = asked_of(first, own);
    const std::string model = first.model.find('*') == std::string::npos ? first.model : group.asked;
    const price::Prices listing = listing_of(first, model, own);
    const std::string mode = first.mode.empty() ? listing.mode : first.mode;
    group.input_tokens_max =
        first.max_input_tokens ? static_cast<std::uint64_t>(*first.max_input_tokens) : listing.max_input_tokens;
    const std::optional<domain::Operation> operation = operation_of(mode);
    const bool mocked = std::ranges::all_of(group.deployments, [&](std::size_t place) {
      return settings.models[place].mock_response_json.has_value() || settings.models[place].mock_timeout;
    });
    if (mocked) {
      groups.left_out.push_back({name, "answers with its mock_response; no provider is asked"});
    } else if (!operation) {
      groups.left_out.push_back({name, "mode " + mode + " is not drilled"});
    } else {
      group.operation = *operation;
      groups.drilled.push_back(std::move(group));
    }
  }
  return groups;
}

std::vector<Scenario> scenarios_of(const Groups& groups, std::span<const Fault* const> faults) {
  std::vector<Scenario> scenarios;
  for (std::size_t i = 0; i < groups.drilled.size(); ++i) {
    const Group& group = groups.drilled[i];
    const auto add = [&](const Fault& fault, bool stream, std::optional<std::size_t> only) {
      if (stream ? !fault.streamed : !fault.whole) return;
      // A sibling answers too, unless this is a fault that its group does not try again.
      const bool rescue = (only && !fault.once_per_group) || leads_on(groups, group, fault);
      scenarios.push_back({scenarios.size(), i, &fault, stream, only, rescue});
    };
    for (const Fault* fault : faults) {
      for (const bool stream : {false, true}) {
        if (stream && !group.streams()) continue;
        add(*fault, stream, std::nullopt);
        const bool of_deployment = fault->reach == Reach::NoContent || fault->reach == Reach::MidStream;
        if (group.deployments.size() > 1 && of_deployment) {
          add(*fault, stream, group.deployments.front());
        }
      }
    }
  }
  return scenarios;
}

std::string_view path_of(domain::Operation operation) {
  if (operation == domain::Operation::Completion) return "/v1/completions";
  if (operation == domain::Operation::Embedding) return "/v1/embeddings";
  return "/v1/chat/completions";
}

std::string body_of(const Group& group, bool stream) {
  constexpr std::string_view kPrompt = "Name the road that leads from the gate to the ford, please.";
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(group.asked);
  if (group.operation == domain::Operation::Chat) {
    writer.key("messages").begin_array().begin_object();
    writer.key("role").string("user").key("content").string(kPrompt);
    writer.end_object().end_array();
  } else {
    writer.key(group.operation == domain::Operation::Embedding ? "input" : "prompt").string(kPrompt);
  }
  if (stream) writer.key("stream").boolean(true);
  writer.end_object();
  return body;
}

}  // namespace turnpike::drill
