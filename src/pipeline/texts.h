#pragma once

#include <memory>

#include "http/message.h"
#include "prompt/prompt_store.h"

/// Prompts and answers of calls, where they are kept (`store_prompts_in_spend_logs`).
namespace turnpike::pipeline {

struct Call;

/// Null: those of this call are not to be kept.
std::unique_ptr<prompt::CallTexts> texts_to_keep(const Call& call);

/// The caller is sent these: kept for calls with his Idempotency-Key, and for the log.
void keep_pieces(Call& call, http::Pieces pieces);

/// The call has ended.
void hand_over_texts(Call& call);

}  // namespace turnpike::pipeline
