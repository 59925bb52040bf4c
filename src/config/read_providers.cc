#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

constexpr std::size_t kRowsMax = 200;
constexpr std::size_t kNameBytesMax = 64;

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

bool is_address(std::string_view url) {
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  const std::string_view rest = url.substr(std::min(url.find("://"), url.size() - 1) + (http ? 3 : 0));
  return http && !rest.empty() && rest.front() != '/' && url.find_first_of(" \t{}@?#") == std::string_view::npos;
}

/// One row while it is read: what is wrong is told at the member it stands in.
class RowReader {
 public:
  RowReader(Reading& reading, const Node& node) : reading_(reading), node_(node) {}

  ProviderRow read(const std::set<std::string>& known) {
    row_.file = node_.file();
    row_.line = node_.line();
    read_name(known);
    if (text_of("base_url", row_.base_url) && !is_address(row_.base_url)) {
      refuse("base_url", "write an address such as https://api.example.com/v1, without key, query or placeholder");
    }
    while (row_.base_url.ends_with('/')) row_.base_url.pop_back();
    read_shape();
    read_auth();
    if (const Node* node = node_.find("key_env")) {
      row_.key_env = node->as_text().value_or("");
      if (!is_word(row_.key_env, "_")) refuse("key_env", "name the environment variable that holds the key");
    }
    read_rules();
    return std::move(row_);
  }

 private:
  void refuse(std::string_view key, std::string_view what) {
    const Node* at = node_.find(key);
    reading_.diagnostics.push_back((at == nullptr ? node_ : *at).error(std::string(what)));
  }
  // False when it is missing, which has been told.
  bool text_of(std::string_view key, std::string& target) {
    const Node* node = node_.find(key);
    if (node != nullptr) target = node->as_text().value_or("");
    if (!target.empty()) return true;
    refuse(key, fmt::format("every provider needs {}", key));
    return false;
  }

  void read_name(const std::set<std::string>& known) {
    if (!text_of("name", row_.name)) return;
    if (!is_word(row_.name, "-_.") || row_.name.size() > kNameBytesMax) {
      refuse("name", "a name is made of letters, digits, '-', '_' and '.'; it stands before the slash of a model");
    } else if (known.contains(row_.name)) {
      refuse("name", fmt::format("a second provider is called {}; choose another name", row_.name));
    } else if (reading_.options.built_in_provider && reading_.options.built_in_provider(row_.name)) {
      refuse("name", fmt::format("{} is built in; choose another name, or set api_base in its deployments", row_.name));
    }
  }

  void read_shape() {
    const Node* node = node_.find("shape");
    if (node == nullptr) return;
    const std::string written = node->as_text().value_or("");
    if (written == "openai") {
      row_.shape = ProviderShape::OpenAi;
    } else if (written == "anthropic") {
      row_.shape = ProviderShape::Anthropic;
    } else if (written == "gemini") {
      row_.shape = ProviderShape::Gemini;
    } else {
      refuse("shape", "write one of openai, anthropic, gemini");
    }
  }

  void read_auth() {
    constexpr std::string_view kHeader = "header:";
    const Node* node = node_.find("auth");
    if (node == nullptr) {
      if (row_.shape == ProviderShape::Anthropic) row_.auth_header = "x-api-key";
      if (row_.shape == ProviderShape::Gemini) row_.auth_header = "x-goog-api-key";
      if (!row_.auth_header.empty()) row_.auth = ProviderAuth::Header;
      return;
    }
    const std::string written = node->as_text().value_or("");
    if (written == "none") {
      row_.auth = ProviderAuth::None;
    } else if (written.starts_with(kHeader) && is_word(std::string_view(written).substr(kHeader.size()), "-_")) {
      row_.auth = ProviderAuth::Header;
      row_.auth_header = written.substr(kHeader.size());
    } else if (written != "bearer") {
      refuse("auth", "write bearer, none, or header: and the header's name without a space (header:x-api-key)");
    }
  }

  void read_rules() {
    if (const Node* map = node_.find("rename")) {
      for (const Node::Item& item : map->items()) {
        const std::string to = item.value.as_text().value_or("");
        if (to.empty()) {
          reading_.diagnostics.push_back(item.value.error("write the provider's name for it, or list it under drop"));
        }
        row_.rename.emplace_back(item.key, to);
      }
      if (row_.shape != ProviderShape::OpenAi) refuse("rename", "parameters are renamed in the shape openai only");
    }
    row_.drop = take(node_, "drop", &Node::as_text_list).value_or(std::vector<std::string>());
    for (const auto& [from, to] : row_.rename) {
      if (std::find(row_.drop.begin(), row_.drop.end(), from) != row_.drop.end()) {
        refuse("drop", fmt::format("{} is renamed as well: it cannot be both", from));
      }
    }
  }

  Reading& reading_;
  const Node& node_;
  ProviderRow row_;
};

}  // namespace

std::vector<ProviderRow> read_providers(Reading& reading) {
  std::vector<ProviderRow> rows;
  const Node* list = reading.section("turnpike").find("providers");
  if (list == nullptr) return rows;
  std::set<std::string> known;
  for (const Node& element : list->elements()) {
    if (rows.size() == kRowsMax) {
      reading.diagnostics.push_back(element.error(fmt::format("at most {} providers can be added", kRowsMax)));
      break;
    }
    ProviderRow row = RowReader(reading, element).read(known);
    known.insert(row.name);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace turnpike::config
