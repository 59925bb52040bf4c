#include "json/lists.h"

#include <optional>
#include <utility>

#include "json/document.h"
#include "json/write.h"

namespace turnpike::json {

std::string write_list(const std::vector<std::string>& texts) {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  for (const std::string& text : texts) writer.string(text);
  writer.end_array();
  return out;
}

std::vector<std::string> read_list(std::string_view json_text) {
  std::vector<std::string> texts;
  Document document;
  if (!document.parse(json_text)) return texts;
  for (const Value element : document.root().elements()) {
    if (std::optional<std::string> text = element.text()) texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace turnpike::json
