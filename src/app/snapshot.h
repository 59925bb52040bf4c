#pragma once

#include <memory>
#include <string>

#include "config/settings.h"
#include "net/io_threads.h"
#include "pipeline/gateway.h"
#include "price/catalogue.h"

namespace turnpike::app {

/// Why a deployment of the config cannot be built, for the loader; nothing when it can.
std::optional<config::Refusal> deployment_refusal(const config::ModelEntry& entry,
                                                  const config::Environment& environment,
                                                  const std::vector<config::ProviderRow>& rows);

/// The providers that a variable of `environment` is enough for, beside others that say whose address it is. Rows that
/// share a variable stand in the order in which they are meant: a company's API before a server of one's own.
std::vector<config::ProviderKey> provider_keys(const config::Environment& environment);

/// Is given a deployment that is ready, with its prices, and may point it elsewhere. From any thread.
using Redirect = std::function<void(router::Deployment&, const price::Prices&)>;

/// Makes one configuration ready to serve: deployments with their prices, groups, fallbacks. Health of deployments that
/// were in `previous` is kept.
pipeline::SnapshotRef make_snapshot(config::SettingsRef settings, std::shared_ptr<const price::Catalogue> prices,
                                    const pipeline::Snapshot* previous, Redirect redirect = {});

/// The same with fallbacks that were set at run time.
pipeline::SnapshotRef with_fallbacks(const pipeline::Snapshot& snapshot,
                                     const std::vector<router::StoredFallbacks>& stored);

/// The price table: compiled in, or what LITELLM_MODEL_COST_MAP_URL names (a path, file:// or http(s)://) unless
/// LITELLM_LOCAL_MODEL_COST_MAP is true. Errors: a table that cannot be read or is broken is refused whole.
Result<std::shared_ptr<const price::Catalogue>> load_catalogue(net::IoThread& thread);

}  // namespace turnpike::app
