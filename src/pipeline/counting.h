#pragma once

#include "pipeline/call.h"
#include "price/prompt_tokens.h"

namespace turnpike::pipeline {

/// Tokens and messages of the request by the tokenizer of the model's family. Above 32 KB the count runs on the
/// counting thread.
Task<price::PromptCount> count_prompt(Call& call, std::string_view model);

/// Tokens of output text; `bytes` may exceed the text kept, the rest is counted by the ratio of what is there.
Task<std::uint64_t> count_output(Call& call, std::string_view model, std::string_view text, std::uint64_t bytes);

/// Feeds the estimator with what a provider reported for this call.
void learn(AdmittedCall& admitted, const router::Deployment& deployment, const domain::Usage& usage, Money cost);

}  // namespace turnpike::pipeline
