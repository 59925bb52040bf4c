#include "api/handlers.h"
#include "api/route.h"

namespace turnpike::api {
namespace {

using domain::Operation;
using http::Method;

constexpr Route inference(std::string_view path, Operation operation) {
  return {Method::Post, path, Who::Pipeline, nullptr, operation};
}

constexpr Route kRoutes[] = {
    // Inference: the key is read and checked by the pipeline. The commonest first.
    inference("/v1/chat/completions", Operation::Chat),
    inference("/chat/completions", Operation::Chat),
    inference("/v1/embeddings", Operation::Embedding),
    inference("/embeddings", Operation::Embedding),
    inference("/v1/completions", Operation::Completion),
    inference("/completions", Operation::Completion),
    inference("/queue/chat/completions", Operation::Chat),
    inference("/cursor/chat/completions", Operation::Chat),
    inference("/openai/deployments/{model}/chat/completions", Operation::Chat),
    inference("/openai/deployments/{model}/completions", Operation::Completion),
    inference("/openai/deployments/{model}/embeddings", Operation::Embedding),
    inference("/engines/{model}/chat/completions", Operation::Chat),
    inference("/engines/{model}/completions", Operation::Completion),
    inference("/engines/{model}/embeddings", Operation::Embedding),
    inference("/v1/rerank", Operation::Rerank),
    inference("/rerank", Operation::Rerank),
    inference("/v2/rerank", Operation::Rerank),
    inference("/v1/moderations", Operation::Moderation),
    inference("/moderations", Operation::Moderation),
    inference("/v1/images/generations", Operation::ImageGeneration),
    inference("/images/generations", Operation::ImageGeneration),
    inference("/openai/deployments/{model}/images/generations", Operation::ImageGeneration),
    inference("/v1/images/edits", Operation::ImageEdit),
    inference("/images/edits", Operation::ImageEdit),
    inference("/openai/deployments/{model}/images/edits", Operation::ImageEdit),
    inference("/v1/audio/speech", Operation::Speech),
    inference("/audio/speech", Operation::Speech),
    inference("/openai/deployments/{model}/audio/speech", Operation::Speech),
    inference("/v1/audio/transcriptions", Operation::Transcription),
    inference("/audio/transcriptions", Operation::Transcription),
    inference("/openai/deployments/{model}/audio/transcriptions", Operation::Transcription),
    inference("/v1/audio/translations", Operation::Translation),
    inference("/audio/translations", Operation::Translation),
    inference("/openai/deployments/{model}/audio/translations", Operation::Translation),

    {Method::Get, "/v1/models", Who::AnyKey, list_models},
    {Method::Get, "/models", Who::AnyKey, list_models},
    {Method::Get, "/v1/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/openai/models", Who::AnyKey, list_models},  // Azure clients.
    {Method::Get, "/openai/models/{model}", Who::AnyKey, show_model},
    {Method::Get, "/model/info", Who::AnyKey, model_info},
    {Method::Get, "/v1/model/info", Who::AnyKey, model_info},

    {Method::Post, "/key/generate", Who::Admin, generate_key},
    {Method::Post, "/key/update", Who::Admin, update_key},
    {Method::Post, "/key/delete", Who::Admin, delete_keys},
    {Method::Post, "/key/block", Who::Admin, block_key},
    {Method::Post, "/key/unblock", Who::Admin, unblock_key},
    {Method::Get, "/key/list", Who::Admin, list_keys},
    {Method::Get, "/key/info", Who::AnyKey, key_info},  // Of itself; the master key of every key.

    {Method::Post, "/fallback", Who::Admin, set_fallbacks},
    {Method::Get, "/fallback/{model}", Who::Admin, show_fallbacks},
    {Method::Delete, "/fallback/{model}", Who::Admin, delete_fallbacks},

    {Method::Get, "/spend/logs", Who::AnyKey, spend_logs},  // Its own; the master key all.
    {Method::Get, "/spend/keys", Who::Admin, spend_keys},

    {Method::Get, "/health/liveliness", Who::Public, liveness},
    {Method::Get, "/health/liveness", Who::Public, liveness},
    {Method::Get, "/health/readiness", Who::Public, readiness},
    {Method::Get, "/health", Who::AnyKey, health},
    {Method::Get, "/health/backlog", Who::AnyKey, health_backlog},
    {Method::Get, "/health/cooldowns", Who::Admin, health_cooldowns},
    {Method::Get, "/health/events", Who::Admin, health_events},
    {Method::Get, "/health/history", Who::Admin, health_history},
    {Method::Get, "/health/latest", Who::Admin, health_latest},
    {Method::Get, "/health/services", Who::Admin, health_services},
    {Method::Post, "/health/test_connection", Who::Admin, test_connection},
    {Method::Get, "/metrics", Who::PublicUnlessSet, metrics},
    {Method::Get, "/metrics/", Who::PublicUnlessSet, metrics},

    {Method::Post, "/config/reload", Who::Admin, reload_config},
    {Method::Get, "/routes", Who::Public, list_routes},
    {Method::Get, "/test", Who::Public, test_route},
    {Method::Get, "/", Who::Public, front_page},
};

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

}  // namespace turnpike::api
