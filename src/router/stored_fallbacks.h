#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "db/database.h"
#include "router/router.h"

namespace turnpike::router {

/// LiteLLM's names of the lists: "general", "context_window", "content_policy".
std::string_view name_of(FallbackList list);
std::optional<FallbackList> fallback_list_named(std::string_view name);

/// Puts the list into the database, in the place of what was there for the same model and kind.
Task<Status> store_fallbacks(db::Database& database, StoredFallbacks fallbacks, std::string by, std::int64_t now_us);
Task<Status> forget_fallbacks(db::Database& database, std::string model, FallbackList list, std::int64_t now_us);

/// All that are stored, by model and kind. Blocks: not for I/O threads.
Result<std::vector<StoredFallbacks>> read_stored_fallbacks(db::Database& database);

}  // namespace turnpike::router
