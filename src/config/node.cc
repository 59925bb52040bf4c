#include "config/node.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/text.h"

namespace turnpike::config {

namespace {

constexpr std::size_t kShownCharacters = 60;

bool one_of(std::string_view text, std::initializer_list<std::string_view> candidates) {
  for (std::string_view candidate : candidates) {
    if (base::equals_ignoring_case(text, candidate)) return true;
  }
  return false;
}

std::optional<double> parse_double(std::string_view text) {
  text = base::trim(text);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// "12.5GB" as 12.5 and "gb"; nothing when there is no number in front.
std::optional<std::pair<double, std::string>> split_unit(std::string_view text) {
  text = base::trim(text);
  std::size_t digits = 0;
  while (digits < text.size() && (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.')) {
    ++digits;
  }
  const auto value = parse_double(text.substr(0, digits));
  if (!value) return std::nullopt;
  return std::pair(*value, base::to_lower(base::trim(text.substr(digits))));
}

}  // namespace

Node Node::boolean(bool value, std::string written) {
  Node node;
  node.kind_ = Kind::Bool;
  node.scalar_ = std::move(written);
  if (node.scalar_.empty()) node.scalar_ = value ? "true" : "false";
  return node;
}

Node Node::number(std::string decimal) {
  Node node;
  node.kind_ = Kind::Number;
  node.scalar_ = std::move(decimal);
  return node;
}

Node Node::text(std::string value) {
  Node node;
  node.kind_ = Kind::Text;
  node.scalar_ = std::move(value);
  return node;
}

Node Node::list() {
  Node node;
  node.kind_ = Kind::List;
  return node;
}

Node Node::map() {
  Node node;
  node.kind_ = Kind::Map;
  return node;
}

const std::vector<Node::Item>& Node::items() const {
  return items_;
}
const std::vector<Node>& Node::elements() const {
  return elements_;
}

const Node* Node::find(std::string_view key) const {
  for (const Item& item : items_) {
    if (item.key == key) return item.value.is_null() ? nullptr : &item.value;
  }
  return nullptr;
}

Node* Node::find_mutable(std::string_view key) {
  for (Item& item : items_) {
    if (item.key == key) return &item.value;
  }
  return nullptr;
}

const std::string& Node::file() const {
  static const std::string kNoFile;
  return file_ ? *file_ : kNoFile;
}

std::string Node::place() const {
  return fmt::format("{}:{}", file(), line_);
}

void Node::set_place(std::shared_ptr<const std::string> file, int line) {
  file_ = std::move(file);
  line_ = line;
}

void Node::set_paths(const std::string& path) {
  // No key of ours is as long; what people nest below that is told by its beginning.
  constexpr std::size_t kPathBytesMax = 240;
  path_ = path.size() <= kPathBytesMax ? path : path.substr(0, kPathBytesMax) + "...";
  for (Item& item : items_) {
    item.value.set_paths(path.size() > kPathBytesMax ? path_ : path.empty() ? item.key : path + "." + item.key);
  }
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    elements_[i].set_paths(path.size() > kPathBytesMax ? path_ : fmt::format("{}[{}]", path, i));
  }
}

void Node::set_from_environment(std::string variable) {
  variable_ = std::move(variable);
  secret_ = true;
}

Diagnostic Node::error(std::string what) const {
  return {Severity::Error, file(), line_, path_, std::move(what)};
}
Diagnostic Node::warning(std::string what) const {
  return {Severity::Warning, file(), line_, path_, std::move(what)};
}

tl::unexpected<Diagnostic> Node::expected(std::string_view what, std::string_view example) const {
  std::string found;
  switch (kind_) {
    case Kind::Null:
      found = "nothing";
      break;
    case Kind::Bool:
      found = scalar_;
      break;
    case Kind::Number:
      found = "the number " + scalar_;
      break;
    case Kind::Text:
      found = fmt::format("the text \"{}\"", scalar_.substr(0, kShownCharacters));
      break;
    case Kind::List:
      found = "a list";
      break;
    case Kind::Map:
      found = "a map";
      break;
  }
  if (!variable_.empty()) {
    found = "the value of " + variable_;
  } else if (secret_ && kind_ != Kind::List && kind_ != Kind::Map) {
    found = "something else";
  }
  return tl::unexpected(error(fmt::format("expected {}, found {}; write for example {}", what, found, example)));
}

Read<bool> Node::as_bool() const {
  if (kind_ == Kind::Bool || kind_ == Kind::Text || kind_ == Kind::Number) {
    if (one_of(scalar_, {"true", "yes", "on", "1"})) return true;
    if (one_of(scalar_, {"false", "no", "off", "0"})) return false;
  }
  return expected("true or false", "true");
}

Read<std::int64_t> Node::as_integer() const {
  if (kind_ == Kind::Number || kind_ == Kind::Text) {
    std::string_view text = base::trim(scalar_);
    // 3.0 is how some tools write 3.
    if (text.size() > 2 && text.ends_with(".0")) text.remove_suffix(2);
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc() && end == text.data() + text.size() && !text.empty()) return value;
    const auto real = parse_double(text);
    if (real && std::floor(*real) == *real && std::abs(*real) < 9e15) return static_cast<std::int64_t>(*real);
  }
  return expected("a whole number", "3");
}

Read<double> Node::as_double() const {
  if (kind_ == Kind::Number || kind_ == Kind::Text) {
    if (const auto value = parse_double(scalar_)) return *value;
  }
  return expected("a number", "1.5");
}

Read<std::string> Node::as_decimal() const {
  if (kind_ == Kind::Number || kind_ == Kind::Text) {
    const std::string_view text = base::trim(scalar_);
    if (const auto value = parse_double(text); value && *value >= 0 && !text.starts_with('-')) return std::string(text);
  }
  return expected("a price in dollars, not below zero", "2.5e-06");
}

Read<std::string> Node::as_text() const {
  if (kind_ == Kind::Text || kind_ == Kind::Number || kind_ == Kind::Bool) return scalar_;
  return expected("text", "\"some text\"");
}

Read<std::chrono::milliseconds> Node::as_time() const {
  constexpr double kLongestSeconds = 10.0 * 366 * 86'400;
  if (kind_ == Kind::Number || kind_ == Kind::Text) {
    if (const auto parts = split_unit(scalar_)) {
      const auto& [value, unit] = *parts;
      double seconds = -1;
      if (unit.empty() || unit == "s") seconds = value;
      if (unit == "ms") seconds = value / 1000;
      if (unit == "m") seconds = value * 60;
      if (unit == "h") seconds = value * 3600;
      if (unit == "d") seconds = value * 86'400;
      if (seconds >= 0 && seconds <= kLongestSeconds) {
        return std::chrono::milliseconds(std::llround(std::ceil(seconds * 1000 - 1e-9)));
      }
    } else if (const auto plain = parse_double(scalar_); plain && *plain >= 0 && *plain <= kLongestSeconds) {
      return std::chrono::milliseconds(std::llround(std::ceil(*plain * 1000)));
    }
  }
  return expected("a time in seconds, not below zero", "30");
}

Read<std::uint64_t> Node::as_bytes() const {
  constexpr double kMost = 1e15;
  if (kind_ == Kind::Number || kind_ == Kind::Text) {
    if (const auto parts = split_unit(scalar_)) {
      const auto& [value, unit] = *parts;
      double factor = 0;
      if (unit.empty() || unit == "b") factor = 1;
      if (unit == "kb") factor = 1e3;
      if (unit == "mb") factor = 1e6;
      if (unit == "gb") factor = 1e9;
      if (unit == "kib") factor = 1024.0;
      if (unit == "mib") factor = 1024.0 * 1024;
      if (unit == "gib") factor = 1024.0 * 1024 * 1024;
      if (factor > 0 && value * factor <= kMost) return static_cast<std::uint64_t>(value * factor);
    }
  }
  return expected("a size in bytes", "64MiB");
}

Read<std::vector<std::string>> Node::as_text_list() const {
  std::vector<std::string> texts;
  if (kind_ == Kind::List) {
    for (const Node& element : elements_) {
      if (element.is_null()) continue;
      auto text = element.as_text();
      if (!text) return tl::unexpected(text.error());
      texts.push_back(std::move(*text));
    }
    return texts;
  }
  if (kind_ == Kind::Map || kind_ == Kind::Null) return expected("a list of texts", "[\"a\", \"b\"]");
  texts.push_back(scalar_);
  return texts;
}

std::string Node::to_json(bool mask) const {
  std::string out;
  if (mask && secret_ && kind_ != Kind::Null) return "\"***\"";
  switch (kind_) {
    case Kind::Null:
      return "null";
    case Kind::Bool:
      return as_bool().value_or(false) ? "true" : "false";
    case Kind::Number:
      return scalar_;
    case Kind::Text:
      append_json_string(out, scalar_);
      return out;
    case Kind::List:
      out = "[";
      for (const Node& element : elements_) {
        if (out.size() > 1) out += ',';
        out += element.to_json(mask);
      }
      return out + "]";
    case Kind::Map:
      out = "{";
      for (const Item& item : items_) {
        if (out.size() > 1) out += ',';
        append_json_string(out, item.key);
        out += ':';
        out += item.value.to_json(mask);
      }
      return out + "}";
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char character : text) {
    switch (character) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(character) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
        } else {
          out += character;
        }
    }
  }
  out += '"';
}

bool names_a_secret(std::string_view key) {
  const std::string name = base::to_lower(key);
  if (name.find("cost") != std::string::npos) return false;  // input_cost_per_token
  // Request parameters that only sound like one.
  if (name == "prompt_cache_key" || name == "bos_token" || name == "eos_token") return false;
  for (std::string_view end : {"key", "secret", "password", "passwd", "token", "credentials", "salt", "license",
                               "secret_id", "access_key_id", "database_url", "redis_url", "direct_url", "webhook_url",
                               "alerting_url", "authorization", "auth_value", "cookie", "connection_string"}) {
    if (name.ends_with(end)) return true;
  }
  return name.find("secret_") != std::string::npos || name.find("password_") != std::string::npos ||
         name == "alert_to_webhook_url";
}

}  // namespace turnpike::config
