#include "router/deployment_metrics.h"

#include "base/clock.h"

namespace turnpike::router {
namespace {

void append_label(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  out.append(name).append("=\"");
  for (const char c : value.empty() ? std::string_view("None") : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c != '\r') {
      out += c;
    }
  }
  out += '"';
}

void append_head(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type);
  out += '\n';
}

void append_line(std::string& out, std::string_view name, const Deployment& deployment,
                 std::string_view exception_status, std::string_view value) {
  out.append(name).append("{");
  append_label(out, "api_base", deployment.target.shown_base);
  append_label(out, "api_provider", deployment.target.provider == nullptr ? "" : deployment.target.provider->name);
  if (!exception_status.empty()) append_label(out, "exception_status", exception_status);
  append_label(out, "litellm_model_name", deployment.target.model);
  append_label(out, "model_id", deployment.id);
  out.append("} ").append(value).append("\n");
}

template <class Visit>
void each(const RoutingTable& table, Visit visit) {
  for (const ModelGroupRef& group : table.groups()) {
    for (const DeploymentRef& deployment : group->deployments) visit(*deployment);
  }
}

void append_limit(std::string& out, const RoutingTable& table, std::string_view name, std::string_view help,
                  std::optional<double> Deployment::* limit) {
  bool headed = false;
  each(table, [&](const Deployment& deployment) {
    if (!(deployment.*limit)) return;
    if (!headed) append_head(out, name, help, "gauge");
    headed = true;
    append_line(out, name, deployment, "", std::to_string(static_cast<std::int64_t>(*(deployment.*limit))) + ".0");
  });
}

std::string_view state_of(const Health& health, std::int64_t now_us) {
  if (health.cooling_until_us.load(std::memory_order_relaxed) > now_us) return "2.0";
  const bool current =
      health.minute.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(now_us / base::kMinuteUs);
  return current && health.fails.load(std::memory_order_relaxed) > 0 ? "1.0" : "0.0";
}

/// One line for each hedged group.
template <class Value>
void append_hedged(std::string& out, const RoutingTable& table, std::string_view name, std::string_view help,
                   Value value) {
  bool headed = false;
  for (const ModelGroupRef& group : table.groups()) {
    if (!group->hedge.state) continue;
    if (!headed) append_head(out, name, help, "counter");
    headed = true;
    out.append(name).append("{");
    append_label(out, "model_group", group->name);
    out.append("} ").append(value(*group->hedge.state)).append("\n");
  }
}

}  // namespace

void append_deployment_metrics(std::string& out, const RoutingTable& table, std::int64_t now_us) {
  if (table.groups().empty()) return;
  append_head(out, "litellm_deployment_state", "0 healthy, 1 failures in this minute, 2 resting after failures.",
              "gauge");
  each(table, [&](const Deployment& deployment) {
    append_line(out, "litellm_deployment_state", deployment, "", state_of(*deployment.health, now_us));
  });
  bool headed = false;
  each(table, [&](const Deployment& deployment) {
    const std::int64_t left_us = deployment.health->cooling_until_us.load(std::memory_order_relaxed) - now_us;
    if (left_us <= 0) return;
    constexpr std::string_view kName = "turnpike_deployment_cooldown_seconds";
    if (!headed) append_head(out, kName, "How long a deployment still rests.", "gauge");
    headed = true;
    append_line(out, kName, deployment, "", std::to_string((left_us + 999'999) / 1'000'000) + ".0");
  });
  headed = false;
  each(table, [&](const Deployment& deployment) {
    const std::uint64_t times = deployment.health->cooldowns.load(std::memory_order_relaxed);
    if (times == 0) return;
    constexpr std::string_view kName = "litellm_deployment_cooled_down_total";
    if (!headed)
      append_head(out, kName, "How often a deployment was put to rest, with the status of the last time.", "counter");
    headed = true;
    const int status = deployment.health->cooling_status.load(std::memory_order_relaxed);
    append_line(out, kName, deployment, status > 0 ? std::to_string(status) : "None", std::to_string(times) + ".0");
  });
  append_hedged(out, table, "turnpike_hedges_total", "Second attempts beside slow ones.",
                [](const HedgeState& state) { return std::to_string(state.races()); });
  append_hedged(out, table, "turnpike_hedges_refused_total", "Second attempts not made: their share was used up.",
                [](const HedgeState& state) { return std::to_string(state.refused()); });
  append_hedged(out, table, "turnpike_hedge_extra_spend_dollars_total", "What attempts that lost have cost.",
                [](const HedgeState& state) { return state.extra().to_string(); });
  append_limit(out, table, "litellm_deployment_rpm_limit", "Requests per minute as configured.", &Deployment::rpm);
  append_limit(out, table, "litellm_deployment_tpm_limit", "Tokens per minute as configured.", &Deployment::tpm);
}

}  // namespace turnpike::router
