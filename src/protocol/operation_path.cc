#include "protocol/operation_path.h"

namespace turnpike::protocol {

using domain::Operation;

std::string_view operation_path(Operation operation) {
  switch (operation) {
    case Operation::Chat:
      return "/chat/completions";
    case Operation::Completion:
      return "/completions";
    case Operation::Embedding:
      return "/embeddings";
    case Operation::Rerank:
      return "/rerank";
    case Operation::Moderation:
      return "/moderations";
    case Operation::ImageGeneration:
      return "/images/generations";
    case Operation::ImageEdit:
      return "/images/edits";
    case Operation::Speech:
      return "/audio/speech";
    case Operation::Transcription:
      return "/audio/transcriptions";
    case Operation::Translation:
      return "/audio/translations";
  }
  return "";
}

}  // namespace turnpike::protocol
