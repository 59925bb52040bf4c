#include "codec/gemini_model.h"

namespace turnpike::codec {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "2.5-flash" -> 25, "3-pro" -> 30, "flash-latest" -> 0.
unsigned generation_of(std::string_view version) {
  if (version.empty() || !is_digit(version[0])) return 0;
  const unsigned major = static_cast<unsigned>(version[0] - '0') * 10;
  const bool minor = version.size() > 2 && version[1] == '.' && is_digit(version[2]);
  return minor ? major + static_cast<unsigned>(version[2] - '0') : major;
}

bool is_off(std::string_view effort) {
  return effort == "none" || effort == "disable";
}

std::string_view level_of(const GeminiModel& model, std::string_view effort) {
  const bool pro = model.line == GeminiModel::Line::Pro;
  if (effort == "minimal" || is_off(effort)) return pro ? "LOW" : "MINIMAL";
  if (effort == "low") return "LOW";
  // The first Pro of the third generation knows two levels only.
  if (effort == "medium") return pro && model.generation == 30 ? "HIGH" : "MEDIUM";
  return "HIGH";
}

std::int64_t budget_of(GeminiModel::Line line, std::string_view effort) {
  using Line = GeminiModel::Line;
  constexpr std::int64_t kProMin = 128;  // 2.5 Pro cannot stop thinking.
  if (is_off(effort)) return line == Line::Pro ? kProMin : 0;
  if (effort == "minimal") return line == Line::Flash ? 1 : line == Line::Pro ? kProMin : 512;
  if (effort == "low") return 1024;
  if (effort == "medium") return 2048;
  return 4096;
}

}  // namespace

GeminiModel::GeminiModel(std::string_view model) {
  model = model.substr(model.rfind('/') + 1);
  constexpr std::string_view kGemini = "gemini-";
  gemini = model.starts_with(kGemini) && !model.starts_with("gemini-gemma");
  if (!gemini) return;
  model.remove_prefix(kGemini.size());
  generation = generation_of(model);
  const auto says = [model](std::string_view word) { return model.find(word) != std::string_view::npos; };
  line = says("flash-lite") ? Line::FlashLite : says("flash") ? Line::Flash : says("pro") ? Line::Pro : Line::Other;
  image = says("image");
}

GeminiThinking gemini_thinking(const GeminiModel& model, std::string_view effort) {
  GeminiThinking thinking;
  thinking.shown = !is_off(effort);
  if (model.third()) {
    thinking.level = level_of(model, effort);
  } else {
    thinking.budget = budget_of(model.line, effort);
  }
  return thinking;
}

}  // namespace turnpike::codec
