#pragma once

#include <cstdint>
#include <string_view>

#include "domain/model_traits.h"

namespace turnpike::codec {

/// What Google's models differ in and the price catalogue has no flag for: the generation and the line, read off the
/// model's name ("gemini-2.5-flash-lite"). The only place that reads names; everything else asks the traits.
struct GeminiModel {
  enum class Line : std::uint8_t { Other, Pro, Flash, FlashLite };

  unsigned generation = 0;  // 25 for 2.5, 31 for 3.1; 0: the name does not say ("gemini-flash-latest").
  Line line = Line::Other;
  bool gemini = false;  // Not Gemma, LearnLM, a tuned endpoint.
  bool image = false;   // Draws.

  explicit GeminiModel(std::string_view model);

  /// 3 and later: thinking by level, not by budget; images by resolution; signatures are demanded.
  bool third() const { return generation >= 30; }
  bool takes_json_schema() const { return gemini && (generation == 0 || generation >= 20); }
  bool fetches_urls() const { return gemini && (generation == 0 || generation >= 25); }
  bool takes_penalties() const { return !third(); }
  /// Refuses a function call of the current turn that comes back without its signature. Models that do not look for
  /// one take the substitute as well.
  bool wants_signatures() const { return gemini && !image && (generation == 0 || third()); }
};

/// `thinkingConfig` for an effort: a level, or a budget.
struct GeminiThinking {
  std::string_view level;    // Empty: by budget.
  std::int64_t budget = -1;  // -1: the model decides.
  bool shown = true;         // includeThoughts
};
GeminiThinking gemini_thinking(const GeminiModel& model, std::string_view effort);

}  // namespace turnpike::codec
