#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

/// The settings as names and values: what --print-effective shows, what a reload compares.
namespace turnpike::config {

struct EffectiveValue {
  std::string name;   // As the file has it, without its section: "num_retries".
  std::string json;   // JSON text; of a secret "***", of an absent one null.
  std::string trace;  // SHA-256 hex of a secret, so that a change can be seen; empty for everything else.
  bool operator==(const EffectiveValue&) const = default;
};

using EffectiveValues = std::vector<EffectiveValue>;

EffectiveValues effective(const ModelEntry& entry);
EffectiveValues effective(const RouterSettings& settings);
EffectiveValues effective(const LitellmSettings& settings);
EffectiveValues effective(const GeneralSettings& settings);
EffectiveValues effective(const TurnpikeSettings& settings);

/// Whether a provider parameter of this name may never be shown ("aws_secret_access_key", "vertex_credentials").
bool is_secret_param(std::string_view name);

/// SHA-256 hex over all of it.
std::string fingerprint_of(const Settings& settings);

/// The whole as a YAML document without secrets.
std::string to_yaml(const Settings& settings);

}  // namespace turnpike::config
