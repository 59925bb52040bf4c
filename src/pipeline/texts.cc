#include "pipeline/texts.h"

#include "base/text.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

std::unique_ptr<prompt::CallTexts> texts_to_keep(const Call& call) {
  const config::Settings& settings = call.settings();
  if (!settings.general.store_prompts_in_spend_logs || call.gateway.prompts == nullptr) return nullptr;
  if (call.own != nullptr) return nullptr;
  if (settings.litellm.turn_off_message_logging) return nullptr;
  const std::string_view redacted = call.exchange.request().find("x-litellm-enable-message-redaction");
  if (base::equals_ignoring_case(redacted, "true")) return nullptr;
  auto texts = std::make_unique<prompt::CallTexts>();
  texts->record_id = call.record.record_id;
  texts->started_us = call.record.started_us;
  return texts;
}

void keep_pieces(Call& call, http::Pieces pieces) {
  if (call.idempotent) call.idempotent->keep(pieces);
  if (!call.texts || call.record.operation == domain::Operation::Speech) return;
  for (const std::string_view piece : pieces) call.texts->add_to_response(piece);
}

void hand_over_texts(Call& call) {
  if (!call.texts) return;
  call.texts->set_request(call.request.body);
  call.gateway.prompts->push(std::move(call.texts));
}

}  // namespace turnpike::pipeline
