#pragma once

#include "api/context.h"
#include "base/task.h"

/// One function per route that is not an inference route; routes.cc says which path leads to which and who may call it.
namespace turnpike::api {

// models.cc, model_info.cc
Task<Result<Reply>> list_models(const Context& context);
Task<Result<Reply>> show_model(const Context& context);
Task<Result<Reply>> model_info(const Context& context);

// keys.cc, key_list.cc
Task<Result<Reply>> generate_key(const Context& context);
Task<Result<Reply>> update_key(const Context& context);
Task<Result<Reply>> block_key(const Context& context);
Task<Result<Reply>> unblock_key(const Context& context);
Task<Result<Reply>> delete_keys(const Context& context);
Task<Result<Reply>> key_info(const Context& context);
Task<Result<Reply>> list_keys(const Context& context);

// fallbacks.cc
Task<Result<Reply>> set_fallbacks(const Context& context);
Task<Result<Reply>> show_fallbacks(const Context& context);
Task<Result<Reply>> delete_fallbacks(const Context& context);

// spend.cc
Task<Result<Reply>> spend_logs(const Context& context);
Task<Result<Reply>> spend_keys(const Context& context);

// health.cc
Task<Result<Reply>> liveness(const Context& context);
Task<Result<Reply>> readiness(const Context& context);
Task<Result<Reply>> health(const Context& context);
Task<Result<Reply>> metrics(const Context& context);

// health_checks.cc
Task<Result<Reply>> health_history(const Context& context);
Task<Result<Reply>> health_latest(const Context& context);
Task<Result<Reply>> health_services(const Context& context);
Task<Result<Reply>> test_connection(const Context& context);

// health_events.cc
Task<Result<Reply>> health_events(const Context& context);
Task<Result<Reply>> health_cooldowns(const Context& context);
Task<Result<Reply>> health_backlog(const Context& context);

// system.cc, page.cc
Task<Result<Reply>> list_routes(const Context& context);
Task<Result<Reply>> test_route(const Context& context);
Task<Result<Reply>> reload_config(const Context& context);
Task<Result<Reply>> front_page(const Context& context);

}  // namespace turnpike::api
