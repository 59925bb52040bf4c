#include <algorithm>
#include <array>

#include "provider/provider.h"

namespace turnpike::provider {
namespace {

// A string as a template argument, so that each row may list its variables in place.
template <std::size_t N>
struct Text {
  constexpr Text(const char (&text)[N]) { std::copy_n(text, N, bytes); }  // NOLINT: implicit on purpose
  constexpr std::string_view view() const { return {bytes, N - 1}; }
  char bytes[N];
};
template <Text... kTexts>
inline constexpr std::array<std::string_view, sizeof...(kTexts)> names{kTexts.view()...};

using protocol::Param;
using protocol::ParamSet;
using Names = std::span<const std::string_view>;
using Rules = std::span<const FieldRule>;
constexpr Names kNone;
constexpr Rules kNoRules;

constexpr FieldRule kOlderTokenLimit[] = {{"max_completion_tokens", "max_tokens"}};

constexpr FieldRule kMistral[] = {
    {"max_completion_tokens", "max_tokens"},
    {"seed", "random_seed"},
    {"dimensions", "output_dimension"},
};

// Vectors come as numbers, which are written as base64 here for who asked for that.
constexpr FieldRule kVoyage[] = {{"dimensions", "output_dimension"}, {"encoding_format", ""}, {"user", ""}};
constexpr FieldRule kJina[] = {{"encoding_format", ""}, {"user", ""}};

// Sets of parameters.
using enum Param;
constexpr ParamSet kEverything = ParamSet::all();
constexpr ParamSet kThinks = kCommonParams.with({Thinking});  // {"thinking":{"type":...}}
constexpr ParamSet kNoTools = kCommonParams.without({Tools, ToolChoice, ParallelToolCalls});
constexpr ParamSet kMistralTakes = kCommonParams.without({User, Logprobs, TopLogprobs, LogitBias, Modalities, Audio})
                                       .with({Metadata, ServiceTier, Prediction, PromptCacheKey});
constexpr ParamSet kGroqTakes = kCommonParams.without({Logprobs, TopLogprobs, LogitBias}).with({ServiceTier});
constexpr ParamSet kCerebrasTakes = kCommonParams.with({ServiceTier, Prediction, PromptCacheKey});
constexpr ParamSet kPerplexityTakes = {
    Temperature,     TopP, TopK, MaxTokens, PresencePenalty, FrequencyPenalty, ResponseFormat, ReasoningEffort,
    WebSearchOptions};
constexpr ParamSet kJambaTakes = {Temperature, TopP, MaxTokens, Stop, Choices, Seed, Tools, ToolChoice, ResponseFormat};
constexpr ParamSet kGlmTakes = {Temperature, TopP, MaxTokens, Stop, Tools, ToolChoice, ResponseFormat, Thinking};
constexpr ParamSet kNovaTakes = {Temperature, TopP, MaxTokens, Stop, Metadata, Tools, ToolChoice, ReasoningEffort};
constexpr ParamSet kWatsonxTakes = {Temperature, TopP,       MaxTokens,        Stop,           Choices,
                                    Seed,        Logprobs,   TopLogprobs,      LogitBias,      PresencePenalty,
                                    Tools,       ToolChoice, FrequencyPenalty, ResponseFormat, ReasoningEffort};

// What several rows want done.
constexpr Quirks kLikeMistral = {Quirk::NoNames, Quirk::NoNulls, Quirk::NineCharIds, Quirk::MistralParts,
                                 Quirk::InlineRefs};
constexpr Quirks kLikeGlm = {Quirk::KnowsMarks, Quirk::ReasoningBack, Quirk::ChoiceAuto};
constexpr Quirks kLikeVllm = {Quirk::NoStrict, Quirk::NoAdditional, Quirk::VideoParts, Quirk::ReasoningBack,
                              Quirk::ThinkingAsEffort};

// Headers.
constexpr HeaderRule kOpenRouterHeaders[] = {{"HTTP-Referer", "OR_SITE_URL", ""}, {"X-Title", "OR_APP_NAME", ""}};
constexpr HeaderRule kNovitaHeaders[] = {{"X-Novita-Source", "NOVITA_SOURCE", "turnpike"}};
constexpr HeaderRule kWandbHeaders[] = {{"OpenAI-Project", "WANDB_PROJECT", ""}};
constexpr HeaderRule kVercelHeaders[] = {{"http-referer", "VERCEL_SITE_URL", ""}, {"x-title", "VERCEL_APP_NAME", ""}};

/// What most rows need not say.
struct More {
  ParamSet takes = kCommonParams;
  Quirks quirks = {};
  std::span<const HeaderRule> headers = {};
  std::string_view serves = "chat";
  Tested tested = Tested::ShapeOnly;
};

constexpr Provider hosted(std::string_view name, std::string_view label, std::string_view base_url, Names keys,
                          Names bases, Rules rules, More more = {}) {
  Provider row;
  row.name = name;
  row.label = label;
  row.base_url = base_url;
  row.key_variables = keys;
  row.base_url_variables = bases;
  row.rules = rules;
  row.takes = more.takes;
  row.quirks = more.quirks;
  row.headers = more.headers;
  row.serves = more.serves;
  row.tested = more.tested;
  return row;
}

// Known by name; its dialect is served later.
constexpr Provider later(std::string_view name, std::string_view label, Names keys) {
  Provider row = hosted(name, label, {}, keys, kNone, kNoRules);
  row.shape = Shape::Other;
  return row;
}

constexpr Provider self_hosted(Provider row) {
  row.self_hosted = true;
  return row;
}
constexpr Provider silent_usage(Provider row) {
  row.stream_usage = false;
  return row;
}
constexpr Provider bare_path(Provider row, std::string_view path) {
  row.bare_path = path;
  return row;
}
constexpr Provider key_in(Provider row, std::string_view header) {
  row.auth = AuthScheme::ApiKeyHeader;
  row.auth_header = header;
  return row;
}
constexpr Provider speaks(Shape shape, Provider row) {
  row.shape = shape;
  return row;
}
constexpr Provider raw_key(Provider row) {
  row.auth = AuthScheme::RawAuthorization;
  return row;
}

// clang-format off
constexpr Provider kCatalogue[] = {
    // name, label, base URL, key variables, base-URL variables, field rules
    hosted("302ai", "302AI", "https://api.302.ai/v1", names<"AI302_API_KEY">, kNone, kNoRules, {.takes = kEverything}),
    later("a2a", "A2A", kNone),
    hosted("abacus", "Abacus", "https://routellm.abacus.ai/v1", names<"ABACUS_API_KEY">, kNone, kNoRules, {.takes = kEverything}),
    hosted("abliteration", "Abliteration", "https://api.abliteration.ai/v1", names<"ABLITERATION_API_KEY">, kNone, kNoRules),
    hosted("ai21", "AI21", "https://api.ai21.com/studio/v1", names<"AI21_API_KEY">, names<"AI21_API_BASE">, kOlderTokenLimit, {.takes = kJambaTakes}),
    hosted("ai21_chat", "AI21", "https://api.ai21.com/studio/v1", names<"AI21_API_KEY">, names<"AI21_API_BASE">, kOlderTokenLimit, {.takes = kJambaTakes}),
    hosted("aibadgr", "AIBadgr", "https://aibadgr.com/api/v1", names<"AIBADGR_API_KEY">, kNone, kNoRules),
    hosted("aihubmix", "AIHubMix", "https://aihubmix.com/v1", names<"AIHUBMIX_API_KEY">, names<"AIHUBMIX_API_BASE">, kNoRules, {.takes = kEverything, .serves = "chat, embeddings"}),
    hosted("aiml", "AIML", "https://api.aimlapi.com/v1", names<"AIML_API_KEY">, names<"AIML_API_BASE">, kNoRules, {.takes = kEverything, .serves = "chat, embeddings, images"}),
    hosted("aiohttp_openai", "OpenAILike", "", names<"OPENAI_LIKE_API_KEY">, names<"OPENAI_LIKE_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .serves = "chat, completions, embeddings"}),
    later("aleph_alpha", "AlephAlpha", names<"ALEPHALPHA_API_KEY">),
    hosted("amazon_nova", "AmazonNova", "https://api.nova.amazon.com/v1", names<"AMAZON_NOVA_API_KEY">, names<"AMAZON_NOVA_API_BASE">, kNoRules, {.takes = kNovaTakes}),
    speaks(Shape::Anthropic, key_in(hosted("anthropic", "Anthropic", "https://api.anthropic.com", names<"ANTHROPIC_API_KEY">, names<"ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL">, kNoRules, {.tested = Tested::Complete}), "x-api-key")),
    later("anthropic_text", "Anthropic", names<"ANTHROPIC_API_KEY">),
    hosted("anyscale", "Anyscale", "https://api.endpoints.anyscale.com/v1", names<"ANYSCALE_API_KEY">, names<"ANYSCALE_API_BASE">, kNoRules, {.serves = "chat, completions, embeddings"}),
    hosted("apertis", "Apertis", "https://api.stima.tech/v1", names<"STIMA_API_KEY">, names<"STIMA_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    raw_key(hosted("assemblyai", "AssemblyAI", "https://llm-gateway.assemblyai.com/v1", names<"ASSEMBLYAI_API_KEY">, names<"ASSEMBLYAI_API_BASE">, kNoRules)),
    speaks(Shape::AzureOpenAi, key_in(hosted("azure", "Azure", "", names<"AZURE_API_KEY", "AZURE_OPENAI_API_KEY">, names<"AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper, Quirk::NoNulls, Quirk::ImageObjects, Quirk::ReasoningRules}, .serves = "chat, completions, embeddings, images, audio", .tested = Tested::Complete}), "api-key")),
    speaks(Shape::AzureOpenAi, hosted("azure_ai", "AzureAI", "", names<"AZURE_AI_API_KEY">, names<"AZURE_AI_API_BASE">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper, Quirk::NoNulls, Quirk::ImageObjects}, .serves = "chat, embeddings"})),
    speaks(Shape::AzureOpenAi, key_in(hosted("azure_text", "Azure", "", names<"AZURE_API_KEY", "AZURE_OPENAI_API_KEY">, names<"AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper, Quirk::NoNulls, Quirk::ImageObjects}, .serves = "completions"}), "api-key")),
    hosted("bailing", "Bailing", "https://api.tbox.cn/api/llm/v1", names<"BAILING_API_TOKEN">, kNone, kNoRules),
    hosted("baseten", "Baseten", "https://inference.baseten.co/v1", names<"BASETEN_API_KEY">, names<"BASETEN_API_BASE">, kOlderTokenLimit),
    speaks(Shape::BedrockConverse, hosted("bedrock", "Bedrock", "", names<"AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK">, kNone, kNoRules, {.serves = "chat, embeddings, rerank, images", .tested = Tested::Complete})),
    speaks(Shape::BedrockConverse, hosted("bedrock_converse", "Bedrock", "", names<"AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK">, kNone, kNoRules, {.serves = "chat, embeddings, rerank, images", .tested = Tested::Complete})),
    hosted("bedrock_mantle", "BedrockMantle", "", names<"BEDROCK_MANTLE_API_KEY">, names<"BEDROCK_MANTLE_API_BASE">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper}}),
    hosted("berget", "Berget", "https://api.berget.ai/v1", names<"BERGET_API_KEY">, kNone, kNoRules),
    hosted("bytez", "Bytez", "https://api.bytez.com/models/v2/openai/v1", names<"BYTEZ_API_KEY">, kNone, kNoRules, {.serves = "chat, completions"}),
    hosted("cerebras", "Cerebras", "https://api.cerebras.ai/v1", names<"CEREBRAS_API_KEY">, names<"CEREBRAS_API_BASE">, kOlderTokenLimit, {.takes = kCerebrasTakes, .serves = "chat, completions", .tested = Tested::Differences}),
    hosted("charity_engine", "CharityEngine", "https://api.charityengine.services/remotejobs/v2/inference", names<"CHARITY_ENGINE_API_KEY">, kNone, kOlderTokenLimit),
    later("chatgpt", "ChatGPT", kNone),
    hosted("chutes", "Chutes", "https://llm.chutes.ai/v1", names<"CHUTES_API_KEY">, names<"CHUTES_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    hosted("clarifai", "Clarifai", "https://api.clarifai.com/v2/ext/openai/v1", names<"CLARIFAI_API_KEY">, names<"CLARIFAI_API_BASE">, kNoRules),
    hosted("cloudflare", "Cloudflare", "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1", names<"CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN">, names<"CLOUDFLARE_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    silent_usage(hosted("codestral", "Codestral", "https://codestral.mistral.ai/v1", names<"CODESTRAL_API_KEY">, names<"CODESTRAL_API_BASE">, kMistral, {.takes = kMistralTakes, .quirks = kLikeMistral})),
    speaks(Shape::Cohere, hosted("cohere", "Cohere", "https://api.cohere.com", names<"COHERE_API_KEY", "CO_API_KEY">, names<"COHERE_API_BASE", "CO_API_URL">, kNoRules, {.serves = "chat, embeddings, rerank", .tested = Tested::Complete})),
    speaks(Shape::Cohere, hosted("cohere_chat", "Cohere", "https://api.cohere.com", names<"COHERE_API_KEY", "CO_API_KEY">, names<"COHERE_API_BASE", "CO_API_URL">, kNoRules, {.serves = "chat, embeddings, rerank", .tested = Tested::Complete})),
    hosted("cometapi", "CometAPI", "https://api.cometapi.com/v1", names<"COMETAPI_KEY">, names<"COMETAPI_BASE_URL">, kNoRules, {.takes = kEverything, .serves = "chat, embeddings, images"}),
    hosted("compactifai", "CompactifAI", "https://api.compactif.ai/v1", names<"COMPACTIFAI_API_KEY">, names<"COMPACTIFAI_API_BASE">, kNoRules),
    hosted("cortecs", "Cortecs", "https://api.cortecs.ai/v1", names<"CORTECS_API_KEY">, kNone, kNoRules),
    hosted("crusoe", "Crusoe", "https://managed-inference-api-proxy.crusoecloud.com/v1", names<"CRUSOE_API_KEY">, kNone, kOlderTokenLimit),
    hosted("custom_openai", "OpenAILike", "", names<"OPENAI_LIKE_API_KEY">, names<"OPENAI_LIKE_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .serves = "chat, completions, embeddings"}),
    hosted("dashscope", "Dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1", names<"DASHSCOPE_API_KEY">, names<"DASHSCOPE_API_BASE">, kOlderTokenLimit, {.quirks = {Quirk::FlatContent, Quirk::ReasoningBack}, .serves = "chat, embeddings"}),
    hosted("databricks", "Databricks", "", names<"DATABRICKS_API_KEY", "DATABRICKS_TOKEN">, names<"DATABRICKS_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .quirks = {Quirk::KnowsMarks, Quirk::EffortAsThinking, Quirk::NoNulls}, .serves = "chat, completions, embeddings", .tested = Tested::Differences}),
    hosted("datarobot", "DataRobot", "https://app.datarobot.com/api/v2/genai/llmgw", names<"DATAROBOT_API_TOKEN">, names<"DATAROBOT_ENDPOINT">, kOlderTokenLimit),
    hosted("deepbricks", "DeepBricks", "https://api.deepbricks.ai/v1", names<"DEEPBRICKS_API_KEY">, kNone, kNoRules),
    hosted("deepgram", "Deepgram", "https://api.deepgram.com/v1", names<"DEEPGRAM_API_KEY">, names<"DEEPGRAM_API_BASE">, kNoRules, {.serves = "transcriptions", .tested = Tested::Differences}),
    hosted("deepinfra", "DeepInfra", "https://api.deepinfra.com/v1/openai", names<"DEEPINFRA_API_KEY">, names<"DEEPINFRA_API_BASE">, kOlderTokenLimit, {.takes = kCommonParams.with({ServiceTier}), .quirks = {Quirk::ChoiceAuto, Quirk::ToolTextOnly}, .serves = "chat, completions, embeddings", .tested = Tested::Differences}),
    hosted("deepseek", "DeepSeek", "https://api.deepseek.com", names<"DEEPSEEK_API_KEY">, names<"DEEPSEEK_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .quirks = {Quirk::FlatContent, Quirk::ReasoningBack, Quirk::ReasoningDue}, .tested = Tested::Differences}),
    self_hosted(hosted("docker_model_runner", "DockerModelRunner", "http://localhost:12434/engines/llama.cpp/v1", names<"DOCKER_MODEL_RUNNER_API_KEY">, names<"DOCKER_MODEL_RUNNER_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, completions, embeddings"})),
    later("elevenlabs", "ElevenLabs", names<"ELEVENLABS_API_KEY">),
    hosted("empower", "Empower", "https://app.empower.dev/api/v1", names<"EMPOWER_API_KEY">, kNone, kNoRules),
    hosted("evroc", "Evroc", "https://models.think.evroc.com/v1", names<"EVROC_API_KEY">, kNone, kNoRules),
    later("fal_ai", "FalAI", names<"FAL_AI_API_KEY">),
    hosted("fastrouter", "FastRouter", "https://go.fastrouter.ai/api/v1", names<"FASTROUTER_API_KEY">, kNone, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks}}),
    hosted("featherless_ai", "FeatherlessAI", "https://api.featherless.ai/v1", names<"FEATHERLESS_API_KEY", "FEATHERLESS_AI_API_KEY">, names<"FEATHERLESS_API_BASE">, kOlderTokenLimit, {.takes = kCommonParams.without({Tools}), .quirks = {Quirk::ChoiceAuto}, .serves = "chat, completions", .tested = Tested::Differences}),
    hosted("fireworks_ai", "FireworksAI", "https://api.fireworks.ai/inference/v1", names<"FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN">, names<"FIREWORKS_API_BASE">, kOlderTokenLimit, {.takes = kThinks.with({ServiceTier, Prediction}), .quirks = {Quirk::NoStrict, Quirk::ChoiceAny, Quirk::SchemaInObject, Quirk::InlineImages, Quirk::ToolsIfListed}, .serves = "chat, completions, embeddings, rerank", .tested = Tested::Differences}),
    hosted("friendliai", "FriendliAI", "https://api.friendli.ai/serverless/v1", names<"FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN">, names<"FRIENDLI_API_BASE">, kNoRules),
    hosted("galadriel", "Galadriel", "https://api.galadriel.com/v1", names<"GALADRIEL_API_KEY">, names<"GALADRIEL_API_BASE">, kNoRules),
    speaks(Shape::Gemini, bare_path(key_in(hosted("gemini", "Gemini", "https://generativelanguage.googleapis.com", names<"GOOGLE_API_KEY", "GEMINI_API_KEY">, names<"GEMINI_API_BASE">, kNoRules, {.serves = "chat, embeddings, images", .tested = Tested::Complete}), "x-goog-api-key"), "/v1beta")),
    later("gigachat", "GigaChat", names<"GIGACHAT_CREDENTIALS">),
    hosted("github", "GitHub", "https://models.inference.ai.azure.com", names<"GITHUB_API_KEY">, names<"GITHUB_API_BASE">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper}, .serves = "chat, embeddings"}),
    later("github_copilot", "GitHubCopilot", kNone),
    hosted("gmi", "GMI", "https://api.gmi-serving.com/v1", names<"GMI_API_KEY">, names<"GMI_API_BASE">, kNoRules),
    hosted("gradient_ai", "GradientAI", "https://inference.do-ai.run/v1", names<"GRADIENT_AI_API_KEY">, kNone, kNoRules, {.takes = kNoTools}),
    hosted("groq", "Groq", "https://api.groq.com/openai/v1", names<"GROQ_API_KEY">, names<"GROQ_API_BASE">, kNoRules, {.takes = kGroqTakes, .quirks = {Quirk::NoNulls, Quirk::NoNames, Quirk::OneChoice, Quirk::JsonTool}, .serves = "chat, audio", .tested = Tested::Differences}),
    hosted("helicone", "Helicone", "https://ai-gateway.helicone.ai", names<"HELICONE_API_KEY">, names<"HELICONE_API_BASE">, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks}}),
    bare_path(hosted("heroku", "Heroku", "https://us.inference.heroku.com/v1", names<"HEROKU_API_KEY">, names<"HEROKU_API_BASE">, kNoRules, {.quirks = {Quirk::FlatContent}}), "/v1"),
    self_hosted(hosted("hosted_vllm", "HostedVLLM", "", names<"HOSTED_VLLM_API_KEY">, names<"HOSTED_VLLM_API_BASE">, kNoRules, {.takes = kThinks, .quirks = kLikeVllm, .serves = "chat, completions, embeddings, rerank, audio", .tested = Tested::Differences})),
    bare_path(hosted("huggingface", "HuggingFace", "https://router.huggingface.co/v1", names<"HF_TOKEN", "HUGGINGFACE_API_KEY">, names<"HF_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, embeddings"}), "/v1"),
    hosted("hyperbolic", "Hyperbolic", "https://api.hyperbolic.xyz/v1", names<"HYPERBOLIC_API_KEY">, names<"HYPERBOLIC_API_BASE">, kOlderTokenLimit, {.serves = "chat, completions"}),
    hosted("inception", "Inception", "https://api.inceptionlabs.ai/v1", names<"INCEPTION_API_KEY">, kNone, kNoRules),
    hosted("inceptron", "Inceptron", "https://api.inceptron.io/v1", names<"INCEPTRON_API_KEY">, kNone, kNoRules),
    hosted("inference-net", "InferenceNet", "https://api.inference.net/v1", names<"INFERENCE_NET_API_KEY">, kNone, kNoRules),
    self_hosted(hosted("infinity", "Infinity", "", names<"INFINITY_API_KEY">, names<"INFINITY_API_BASE">, kNoRules, {.serves = "embeddings, rerank"})),
    hosted("iointelligence", "IOIntelligence", "https://api.intelligence.io.solutions/api/v1", names<"IOINTELLIGENCE_API_KEY">, kNone, kNoRules),
    hosted("jiekou", "Jiekou", "https://api.jiekou.ai/openai", names<"JIEKOU_API_KEY">, kNone, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks}}),
    hosted("jina_ai", "JinaAI", "https://api.jina.ai/v1", names<"JINA_AI_API_KEY">, names<"JINA_AI_API_BASE">, kJina, {.serves = "embeddings, rerank"}),
    hosted("kilo", "Kilo", "https://api.kilo.ai/api/gateway", names<"KILO_API_KEY">, kNone, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks, Quirk::ReasoningBack}}),
    hosted("kluster-ai", "KlusterAI", "https://api.kluster.ai/v1", names<"KLUSTER_AI_API_KEY">, kNone, kNoRules),
    hosted("krutrim", "Krutrim", "https://cloud.olakrutrim.com/v1", names<"KRUTRIM_API_KEY">, kNone, kNoRules),
    hosted("lambda_ai", "LambdaAI", "https://api.lambda.ai/v1", names<"LAMBDA_API_KEY">, names<"LAMBDA_API_BASE">, kOlderTokenLimit),
    later("langgraph", "LangGraph", names<"LANGGRAPH_API_KEY">),
    self_hosted(hosted("lemonade", "Lemonade", "http://localhost:8000/api/v1", kNone, names<"LEMONADE_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, completions"})),
    hosted("lemonfox-ai", "LemonfoxAI", "https://api.lemonfox.ai/v1", names<"LEMONFOX_AI_API_KEY">, kNone, kNoRules, {.serves = "chat, audio, images"}),
    hosted("lepton", "Lepton", "https://api.lepton.ai/api/v1", names<"LEPTON_API_KEY">, kNone, kNoRules),
    hosted("libertai", "LibertAI", "https://api.libertai.io/v1", names<"LIBERTAI_API_KEY">, kNone, kNoRules, {.serves = "chat, embeddings"}),
    hosted("lingyi", "Lingyi", "https://api.lingyiwanwu.com/v1", names<"LINGYI_API_KEY">, kNone, kNoRules),
    hosted("litellm_proxy", "LiteLLMProxy", "", names<"LITELLM_PROXY_API_KEY">, names<"LITELLM_PROXY_API_BASE">, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsAll}, .serves = "chat, completions, embeddings, rerank, images, audio, moderations"}),
    self_hosted(hosted("llamafile", "Llamafile", "http://127.0.0.1:8080/v1", names<"LLAMAFILE_API_KEY">, names<"LLAMAFILE_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, completions, embeddings"})),
    hosted("llamagate", "LlamaGate", "https://api.llamagate.dev/v1", names<"LLAMAGATE_API_KEY">, names<"LLAMAGATE_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    self_hosted(hosted("lm_studio", "LMStudio", "http://localhost:1234/v1", names<"LM_STUDIO_API_KEY">, names<"LM_STUDIO_API_BASE">, kNoRules, {.takes = kThinks, .quirks = {Quirk::SchemaForObject}, .serves = "chat, completions, embeddings", .tested = Tested::Differences})),
    later("manus", "Manus", names<"MANUS_API_KEY">),
    hosted("maritalk", "Maritalk", "https://chat.maritaca.ai/api", names<"MARITALK_API_KEY">, kNone, kNoRules),
    hosted("matterai", "MatterAI", "https://api.matterai.so/v1", names<"MATTERAI_API_KEY">, kNone, kNoRules),
    hosted("meganova", "MegaNova", "https://api.meganova.ai/v1", names<"MEGANOVA_API_KEY">, kNone, kNoRules),
    hosted("meta_llama", "MetaLlama", "https://api.llama.com/compat/v1", names<"LLAMA_API_KEY">, names<"LLAMA_API_BASE">, kNoRules, {.quirks = {Quirk::SchemaOnly}, .tested = Tested::Differences}),
    hosted("minimax", "MiniMax", "https://api.minimax.io/v1", names<"MINIMAX_API_KEY">, names<"MINIMAX_API_BASE">, kNoRules, {.takes = kThinks, .quirks = {Quirk::KnowsMarks, Quirk::ThinkTags}, .tested = Tested::Differences}),
    bare_path(silent_usage(hosted("mistral", "Mistral", "https://api.mistral.ai/v1", names<"MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY">, names<"MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE">, kMistral, {.takes = kMistralTakes, .quirks = kLikeMistral, .serves = "chat, embeddings, moderations, audio", .tested = Tested::Differences})), "/v1"),
    hosted("mixlayer", "Mixlayer", "https://models.mixlayer.ai/v1", names<"MIXLAYER_API_KEY">, kNone, kNoRules),
    hosted("moark", "Moark", "https://moark.com/v1", names<"MOARK_API_KEY">, kNone, kNoRules),
    hosted("modal", "Modal", "https://api.modal.com/v1", names<"MODAL_API_KEY">, kNone, kNoRules),
    hosted("modelscope", "ModelScope", "https://api-inference.modelscope.cn/v1", names<"MODELSCOPE_API_KEY">, kNone, kNoRules),
    hosted("monsterapi", "MonsterAPI", "https://llm.monsterapi.ai/v1", names<"MONSTERAPI_API_KEY">, kNone, kNoRules),
    hosted("moonshot", "Moonshot", "https://api.moonshot.ai/v1", names<"MOONSHOT_API_KEY">, names<"MOONSHOT_API_BASE">, kOlderTokenLimit, {.takes = kThinks.with({PromptCacheKey}), .quirks = {Quirk::FlatContent, Quirk::TemperatureToOne, Quirk::ChoiceInWords, Quirk::ReasoningBack, Quirk::ReasoningDue}, .tested = Tested::Differences}),
    hosted("morph", "Morph", "https://api.morphllm.com/v1", names<"MORPH_API_KEY">, names<"MORPH_API_BASE">, kNoRules, {.takes = {}}),
    hosted("nano-gpt", "NanoGPT", "https://nano-gpt.com/api/v1", names<"NANOGPT_API_KEY">, names<"NANOGPT_API_BASE">, kOlderTokenLimit, {.takes = kEverything, .serves = "chat, embeddings"}),
    hosted("ncompass", "NCompass", "https://api.ncompass.tech/v1", names<"NCOMPASS_API_KEY">, kNone, kNoRules),
    hosted("nebius", "Nebius", "https://api.studio.nebius.ai/v1", names<"NEBIUS_API_KEY">, names<"NEBIUS_API_BASE">, kOlderTokenLimit, {.serves = "chat, completions, embeddings, images"}),
    hosted("nextbit", "NextBit", "https://api.nextbit256.com/v1", names<"NEXTBIT_API_KEY">, kNone, kNoRules),
    later("nlp_cloud", "NLPCloud", names<"NLP_CLOUD_API_KEY">),
    later("nomic", "Nomic", names<"NOMIC_API_KEY">),
    hosted("novita", "Novita", "https://api.novita.ai/v3/openai", names<"NOVITA_API_KEY">, names<"NOVITA_API_BASE">, kOlderTokenLimit, {.headers = kNovitaHeaders, .serves = "chat, completions, embeddings"}),
    hosted("nscale", "Nscale", "https://inference.api.nscale.com/v1", names<"NSCALE_API_KEY">, names<"NSCALE_API_BASE">, kNoRules, {.takes = kNoTools.without({Seed, User}), .serves = "chat, images"}),
    hosted("nvidia_nim", "NvidiaNim", "https://integrate.api.nvidia.com/v1", names<"NVIDIA_NIM_API_KEY">, names<"NVIDIA_NIM_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    later("oci", "OCI", names<"OCI_KEY">),
    speaks(Shape::Ollama, self_hosted(hosted("ollama", "Ollama", "http://localhost:11434", names<"OLLAMA_API_KEY">, names<"OLLAMA_API_BASE">, kNoRules, {.serves = "chat, completions, embeddings", .tested = Tested::Differences}))),
    speaks(Shape::Ollama, self_hosted(hosted("ollama_chat", "Ollama", "http://localhost:11434", names<"OLLAMA_API_KEY">, names<"OLLAMA_API_BASE">, kNoRules, {.serves = "chat, completions, embeddings", .tested = Tested::Differences}))),
    hosted("ollama_cloud", "OllamaCloud", "https://ollama.com/v1", names<"OLLAMA_API_KEY">, kNone, kNoRules),
    self_hosted(hosted("oobabooga", "Oobabooga", "", kNone, names<"OOBABOOGA_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, completions, embeddings"})),
    hosted("openai", "OpenAI", "https://api.openai.com/v1", names<"OPENAI_API_KEY">, names<"OPENAI_BASE_URL", "OPENAI_API_BASE">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper, Quirk::ImageObjects, Quirk::ReasoningRules}, .serves = "chat, completions, embeddings, images, audio, moderations", .tested = Tested::Complete}),
    hosted("openai_like", "OpenAILike", "", names<"OPENAI_LIKE_API_KEY">, names<"OPENAI_LIKE_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .serves = "chat, completions, embeddings"}),
    hosted("opencode", "OpenCodeZen", "https://opencode.ai/zen/v1", names<"OPENCODE_API_KEY">, kNone, kNoRules, {.takes = kEverything}),
    hosted("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", names<"OPENROUTER_API_KEY", "OR_API_KEY">, names<"OPENROUTER_API_BASE">, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks, Quirk::ReasoningBack}, .headers = kOpenRouterHeaders, .serves = "chat, completions, embeddings", .tested = Tested::Differences}),
    hosted("ovhcloud", "OVHcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", names<"OVHCLOUD_API_KEY">, names<"OVHCLOUD_API_BASE">, kNoRules, {.quirks = {Quirk::ToolsIfListed}, .serves = "chat, embeddings, audio"}),
    hosted("parasail", "Parasail", "https://api.parasail.io/v1", names<"PARASAIL_API_KEY">, kNone, kNoRules),
    hosted("perplexity", "Perplexity", "https://api.perplexity.ai", names<"PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY">, names<"PERPLEXITY_API_BASE">, kOlderTokenLimit, {.takes = kPerplexityTakes, .quirks = {Quirk::ThinkTags, Quirk::Cites}, .tested = Tested::Differences}),
    later("petals", "Petals", kNone),
    hosted("poe", "Poe", "https://api.poe.com/v1", names<"POE_API_KEY">, names<"POE_API_BASE">, kOlderTokenLimit, {.takes = kEverything}),
    later("predibase", "Predibase", names<"PREDIBASE_API_KEY">),
    hosted("publicai", "PublicAI", "https://api.publicai.co/v1", names<"PUBLICAI_API_KEY">, names<"PUBLICAI_API_BASE">, kOlderTokenLimit, {.quirks = {Quirk::FlatContent}}),
    hosted("qianfan", "Qianfan", "https://qianfan.baidubce.com/v2", names<"QIANFAN_API_KEY">, kNone, kNoRules, {.serves = "chat, embeddings"}),
    hosted("qiniu", "Qiniu", "https://api.qnaigc.com/v1", names<"QINIU_API_KEY">, kNone, kNoRules, {.takes = kThinks}),
    later("ragflow", "RAGFlow", names<"RAGFLOW_API_KEY">),
    later("recraft", "Recraft", names<"RECRAFT_API_KEY">),
    hosted("reka", "Reka", "https://api.reka.ai/v1", names<"REKA_API_KEY">, kNone, kNoRules),
    hosted("reka-ai", "RekaAI", "https://api.reka.ai/v1", names<"REKA_AI_API_KEY", "REKA_API_KEY">, kNone, kNoRules),
    later("replicate", "Replicate", names<"REPLICATE_API_KEY", "REPLICATE_API_TOKEN">),
    hosted("requesty", "Requesty", "https://router.requesty.ai/v1", names<"REQUESTY_API_KEY">, kNone, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks}, .serves = "chat, embeddings"}),
    later("sagemaker", "Sagemaker", names<"AWS_ACCESS_KEY_ID">),
    later("sagemaker_chat", "Sagemaker", names<"AWS_ACCESS_KEY_ID">),
    hosted("salad_cloud", "SaladCloud", "https://ai.salad.cloud/v1", names<"SALAD_CLOUD_API_KEY">, kNone, kNoRules),
    hosted("sambanova", "SambaNova", "https://api.sambanova.ai/v1", names<"SAMBANOVA_API_KEY">, names<"SAMBANOVA_API_BASE">, kOlderTokenLimit, {.quirks = {Quirk::FlatContent, Quirk::ToolsIfListed}, .serves = "chat, embeddings, audio"}),
    later("sap", "SAP", names<"AICORE_SERVICE_KEY">),
    key_in(hosted("sarvam", "Sarvam", "https://api.sarvam.ai/v1", names<"SARVAM_API_KEY">, names<"SARVAM_API_BASE">, kOlderTokenLimit), "api-subscription-key"),
    hosted("scaleway", "Scaleway", "https://api.scaleway.ai/v1", names<"SCW_SECRET_KEY">, kNone, kNoRules, {.serves = "chat, embeddings, audio"}),
    later("segmind", "Segmind", names<"SEGMIND_API_KEY">),
    hosted("siliconflow", "SiliconFlow", "https://api.siliconflow.cn/v1", names<"SILICONFLOW_API_KEY">, kNone, kNoRules, {.takes = kThinks, .serves = "chat, embeddings, rerank, images"}),
    hosted("snowflake", "Snowflake", "https://{account_id}.snowflakecomputing.com", names<"SNOWFLAKE_JWT", "SNOWFLAKE_PAT">, names<"SNOWFLAKE_API_BASE">, kNoRules, {.serves = "chat, embeddings"}),
    later("stability", "Stability", names<"STABILITY_API_KEY">),
    hosted("stackit", "Stackit", "https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1", names<"STACKIT_API_KEY">, kNone, kNoRules, {.serves = "chat, embeddings"}),
    hosted("stepfun", "StepFun", "https://api.stepfun.com/v1", names<"STEPFUN_API_KEY">, kNone, kNoRules),
    hosted("submodel", "Submodel", "https://llm.submodel.ai/v1", names<"SUBMODEL_INSTAGEN_ACCESS_KEY">, kNone, kNoRules),
    hosted("synthetic", "Synthetic", "https://api.synthetic.new/openai/v1", names<"SYNTHETIC_API_KEY">, names<"SYNTHETIC_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    hosted("tencent", "Tencent", "https://tokenhub.tencentmaas.com/v1", names<"TENCENT_API_KEY", "TENCENT_TOKENHUB_API_KEY">, kNone, kNoRules, {.takes = kThinks.with({PromptCacheKey}), .quirks = {Quirk::ReasoningBack}}),
    hosted("tensormesh", "Tensormesh", "https://serverless.tensormesh.ai/v1", names<"TENSORMESH_API_KEY">, kNone, kNoRules),
    later("text-completion-codestral", "Codestral", names<"CODESTRAL_API_KEY">),
    hosted("text-completion-openai", "OpenAI", "https://api.openai.com/v1", names<"OPENAI_API_KEY">, names<"OPENAI_BASE_URL", "OPENAI_API_BASE">, kNoRules, {.takes = kOpenAiParams, .quirks = {Quirk::KnowsDeveloper}, .serves = "completions"}),
    hosted("together_ai", "TogetherAI", "https://api.together.xyz/v1", names<"TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN">, names<"TOGETHER_AI_API_BASE">, kNoRules, {.quirks = {Quirk::ToolsIfListed}, .serves = "chat, completions, embeddings, rerank, images, audio", .tested = Tested::Differences}),
    later("topaz", "Topaz", names<"TOPAZ_API_KEY">),
    later("tripo3d", "Tripo3D", names<"TRIPO3D_API_KEY">),
    later("triton", "Triton", kNone),
    hosted("upstage", "Upstage", "https://api.upstage.ai/v1/solar", names<"UPSTAGE_API_KEY">, kNone, kNoRules, {.serves = "chat, embeddings"}),
    hosted("v0", "V0", "https://api.v0.dev/v1", names<"V0_API_KEY">, names<"V0_API_BASE">, kNoRules, {.takes = {Tools, ToolChoice}}),
    hosted("veniceai", "VeniceAI", "https://api.venice.ai/api/v1", names<"VENICE_AI_API_KEY">, names<"VENICE_AI_API_BASE">, kNoRules),
    hosted("vercel_ai_gateway", "VercelAIGateway", "https://ai-gateway.vercel.sh/v1", names<"VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN">, names<"VERCEL_AI_GATEWAY_API_BASE">, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks, Quirk::ReasoningBack}, .headers = kVercelHeaders, .serves = "chat, embeddings"}),
    speaks(Shape::VertexGemini, hosted("vertex_ai", "VertexAI", "", names<"GOOGLE_APPLICATION_CREDENTIALS">, kNone, kNoRules, {.serves = "chat, embeddings, images", .tested = Tested::Complete})),
    speaks(Shape::VertexGemini, hosted("vertex_ai_beta", "VertexAI", "", names<"GOOGLE_APPLICATION_CREDENTIALS">, kNone, kNoRules, {.serves = "chat, embeddings, images", .tested = Tested::Complete})),
    hosted("vivgrid", "Vivgrid", "https://api.vivgrid.com/v1", names<"VIVGRID_API_KEY">, kNone, kNoRules),
    self_hosted(hosted("vllm", "VLLM", "", names<"HOSTED_VLLM_API_KEY">, names<"HOSTED_VLLM_API_BASE">, kNoRules, {.takes = kThinks, .quirks = kLikeVllm, .serves = "chat, completions, embeddings, rerank, audio", .tested = Tested::Differences})),
    hosted("volcengine", "Volcengine", "https://ark.cn-beijing.volces.com/api/v3", names<"VOLCENGINE_API_KEY", "ARK_API_KEY">, names<"VOLCENGINE_API_BASE", "ARK_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .quirks = {Quirk::ReasoningBack}, .serves = "chat, embeddings, images"}),
    hosted("voyage", "Voyage", "https://api.voyageai.com/v1", names<"VOYAGE_API_KEY", "VOYAGE_AI_API_KEY">, names<"VOYAGE_API_BASE">, kVoyage, {.serves = "embeddings, rerank"}),
    hosted("vultr", "Vultr", "https://api.vultrinference.com/v1", names<"VULTR_API_KEY">, kNone, kNoRules),
    hosted("wafer", "Wafer", "https://pass.wafer.ai/v1", names<"WAFER_API_KEY">, kNone, kNoRules, {.takes = kThinks}),
    hosted("wandb", "Wandb", "https://api.inference.wandb.ai/v1", names<"WANDB_API_KEY">, names<"WANDB_API_BASE">, kOlderTokenLimit, {.headers = kWandbHeaders}),
    speaks(Shape::Watsonx, hosted("watsonx", "Watsonx", "", names<"WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY">, names<"WATSONX_API_BASE", "WATSONX_URL", "WX_URL">, kNoRules, {.takes = kWatsonxTakes, .quirks = {Quirk::NoStrict, Quirk::NoAdditional, Quirk::NoNames}, .tested = Tested::Differences})),
    speaks(Shape::Watsonx, hosted("watsonx_text", "Watsonx", "", names<"WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY">, names<"WATSONX_API_BASE", "WATSONX_URL", "WX_URL">, kNoRules, {.takes = kWatsonxTakes, .quirks = {Quirk::NoStrict, Quirk::NoAdditional, Quirk::NoNames}, .tested = Tested::Differences})),
    hosted("workers-ai", "WorkersAI", "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1", names<"WORKERS_AI_API_KEY", "CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN">, names<"WORKERS_AI_API_BASE">, kOlderTokenLimit, {.serves = "chat, embeddings"}),
    hosted("xai", "XAI", "https://api.x.ai/v1", names<"XAI_API_KEY">, names<"XAI_API_BASE">, kOlderTokenLimit, {.quirks = {Quirk::NoNames, Quirk::NoStrict, Quirk::GrokRules}, .serves = "chat, images", .tested = Tested::Differences}),
    hosted("xiaomi_mimo", "XiaomiMimo", "https://api.xiaomimimo.com/v1", names<"XIAOMI_MIMO_API_KEY">, names<"XIAOMI_MIMO_API_BASE">, kOlderTokenLimit, {.takes = kThinks, .quirks = {Quirk::ReasoningBack}}),
    self_hosted(hosted("xinference", "Xinference", "http://127.0.0.1:9997/v1", names<"XINFERENCE_API_KEY">, names<"XINFERENCE_API_BASE">, kNoRules, {.takes = kThinks, .serves = "chat, embeddings, rerank, images"})),
    hosted("zai", "ZAI", "https://api.z.ai/api/paas/v4", names<"ZAI_API_KEY">, names<"ZAI_API_BASE">, kOlderTokenLimit, {.takes = kGlmTakes, .quirks = kLikeGlm, .serves = "chat, images", .tested = Tested::Differences}),
    hosted("zenmux", "ZenMux", "https://zenmux.ai/api/v1", names<"ZENMUX_API_KEY">, kNone, kNoRules, {.takes = kEverything, .quirks = {Quirk::KnowsMarks}}),
    hosted("zhipu", "Zhipu", "https://open.bigmodel.cn/api/paas/v4", names<"ZHIPU_API_KEY">, kNone, kOlderTokenLimit, {.takes = kGlmTakes, .quirks = kLikeGlm}),
};
// clang-format on

constexpr bool by_name(const Provider& a, const Provider& b) {
  return a.name < b.name;
}
static_assert(std::is_sorted(std::begin(kCatalogue), std::end(kCatalogue), by_name));

}  // namespace

std::span<const Provider> catalogue() {
  return kCatalogue;
}

const Provider* find_provider(std::string_view name) {
  const auto* found = std::lower_bound(std::begin(kCatalogue), std::end(kCatalogue), name,
                                       [](const Provider& row, std::string_view wanted) { return row.name < wanted; });
  return found != std::end(kCatalogue) && found->name == name ? found : nullptr;
}

const Provider* find_provider_by_base(std::string_view api_base) {
  // "https://" stays out of the comparison; an empty or local base names nobody.
  const auto host_and_path = [](std::string_view url) {
    const std::size_t scheme = url.find("://");
    return scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  };
  const std::string_view given = host_and_path(api_base);
  for (const Provider& row : kCatalogue) {
    const std::string_view own = host_and_path(row.base_url);
    if (own.empty() || row.self_hosted || !given.starts_with(own)) continue;
    // "api.deepseek.com.example.net" is somebody else.
    const std::string_view rest = given.substr(own.size());
    if (rest.empty() || rest.front() == '/' || rest.front() == '?' || rest.front() == ':') return &row;
  }
  return nullptr;
}

}  // namespace turnpike::provider
