#include "json/document.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstring>

namespace turnpike::json {
namespace {

constexpr std::size_t kSmallestCapacity = 4096;
// Buffers of a larger text are not kept: four bytes of index a byte of text would stay with the thread.
constexpr std::size_t kPooledCapacityMax = 1 << 20;
constexpr std::size_t kPooledMax = 8;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Whether `token` is a number as RFC 8259 writes it.
bool sound_number(std::string_view token) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t first = at;
    while (at < token.size() && is_digit(token[at])) ++at;
    return at > first;
  };
  if (at < token.size() && token[at] == '-') ++at;
  if (at < token.size() && token[at] == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == token.size();
}

std::string_view scalar_at(std::string_view text, std::uint32_t begin, std::uint32_t next) {
  std::uint32_t end = next;
  while (end > begin && is_space(text[end - 1])) --end;
  return text.substr(begin, end - begin);
}

// The walk over all tokens: null when the structure is sound, else what is wrong, with `i` at the token at fault.
const char* check(std::string_view text, const std::uint32_t* at, std::uint32_t count, std::uint32_t* close,
                  std::uint32_t& i) {
  enum class Expect : std::uint8_t { Value, Key, CommaOrClose };
  std::uint32_t open[Document::kDepthMax];
  bool object[Document::kDepthMax];
  std::size_t depth = 0;
  Expect expect = Expect::Value;
  for (i = 0; i < count;) {
    const char c = text[at[i]];
    switch (expect) {
      case Expect::Key:
        if (c != '"') return "a member name is missing";
        if (i + 1 >= count || text[at[i + 1]] != ':') return "a colon is missing";
        i += 2;
        expect = Expect::Value;
        continue;
      case Expect::Value:
        if (c == '"') {
          expect = Expect::CommaOrClose;
        } else if (c == '{' || c == '[') {
          if (depth == Document::kDepthMax) return "it is nested too deep";
          open[depth] = i;
          object[depth] = c == '{';
          ++depth;
          if (i + 1 < count && text[at[i + 1]] == (c == '{' ? '}' : ']')) {
            expect = Expect::CommaOrClose;
          } else {
            expect = c == '{' ? Expect::Key : Expect::Value;
          }
        } else {
          const std::string_view token = scalar_at(text, at[i], at[i + 1]);
          const bool sound = c == 't'   ? token == "true"
                             : c == 'f' ? token == "false"
                             : c == 'n' ? token == "null"
                                        : sound_number(token);
          if (!sound) return "a value is expected";
          expect = Expect::CommaOrClose;
        }
        ++i;
        continue;
      case Expect::CommaOrClose:
        if (depth == 0) return "there is text after the end";
        if (c == ',') {
          expect = object[depth - 1] ? Expect::Key : Expect::Value;
        } else if (c == (object[depth - 1] ? '}' : ']')) {
          --depth;
          close[open[depth]] = i;
        } else {
          return "a comma or a closing bracket is expected";
        }
        ++i;
        continue;
    }
  }
  return depth == 0 && expect == Expect::CommaOrClose ? nullptr : "it ends too early";
}

tl::unexpected<Error> broken(std::string_view reason, std::size_t byte) {
  std::string message = "not valid JSON: ";
  message.append(reason).append(" (byte ").append(std::to_string(byte)).append(")");
  return base::fail(ErrorKind::InvalidRequest, std::move(message));
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> four_hex(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, code, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return code;
}

constexpr std::uint32_t kReplacement = 0xFFFD;
bool is_high(std::uint32_t code) {
  return code >= 0xD800 && code < 0xDC00;
}
bool is_low(std::uint32_t code) {
  return code >= 0xDC00 && code < 0xE000;
}

}  // namespace

std::optional<std::string> unescape(std::string_view inner) {
  std::string out;
  out.reserve(inner.size());
  for (std::size_t i = 0; i < inner.size();) {
    const std::size_t slash = inner.find('\\', i);
    if (slash == std::string_view::npos) {
      out.append(inner.substr(i));
      break;
    }
    out.append(inner.substr(i, slash - i));
    if (slash + 1 >= inner.size()) return std::nullopt;
    i = slash + 2;
    switch (inner[slash + 1]) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '/':
        out += '/';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        auto code = four_hex(inner.substr(i));
        if (!code) return std::nullopt;
        i += 4;
        if (is_high(*code) && inner.substr(i).starts_with("\\u")) {
          const auto low = four_hex(inner.substr(i + 2));
          if (!low) return std::nullopt;
          if (is_low(*low)) {
            append_utf8(out, 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00));
            i += 6;
            break;
          }
        }
        append_utf8(out, is_high(*code) || is_low(*code) ? kReplacement : *code);
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> Value::text() const {
  if (!is(Kind::String)) return std::nullopt;
  const std::string_view bytes = inner();
  if (bytes.find('\\') == std::string_view::npos) return std::string(bytes);
  return unescape(bytes);
}

std::optional<bool> Value::boolean() const {
  if (!is(Kind::Bool)) return std::nullopt;
  return first() == 't';
}

std::optional<double> Value::number() const {
  if (!is(Kind::Number)) return std::nullopt;
  const std::string_view token = raw();
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> Value::whole() const {
  if (!is(Kind::Number)) return std::nullopt;
  const std::string_view token = raw();
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), count);
  constexpr double kExactMax = 9007199254740992.0;
  if (error == std::errc() && end == token.data() + token.size()) {
    return static_cast<double>(count) <= kExactMax ? std::optional(count) : std::nullopt;
  }
  const auto value = number();
  if (!value || *value < 0 || *value > kExactMax || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

namespace {

/// A member's name where it stands: between its quote and its colon there is room for the text and a quote.
struct Name {
  const char* text;
  std::size_t room;
  bool escapes;

  Name(const Tokens& tokens, std::uint32_t token)
      : text(tokens.text.data() + tokens.at[token] + 1),
        room(tokens.at[token + 1] - tokens.at[token] - std::size_t{1}),
        escapes(tokens.escapes && std::memchr(text, '\\', room) != nullptr) {}

  bool is(std::string_view key) const {
    if (room <= key.size()) return false;
    if (text[key.size()] == '"' && std::memcmp(text, key.data(), key.size()) == 0) return true;
    return escapes && unescaped_is(key);  // An escape never shortens a name.
  }

 private:
  bool unescaped_is(std::string_view key) const {
    const std::size_t end = std::string_view(text, room).rfind('"');
    return unescape({text, end}) == key;
  }
};

}  // namespace

Value Value::find(std::string_view key) const {
  if (!is(Kind::Object)) return {};
  const std::uint32_t end = tokens_->close[token_];
  for (std::uint32_t token = token_ + 1; token < end;) {
    const Value value(tokens_, token + 2);
    if (Name(*tokens_, token).is(key)) return value;
    token = value.next_token() + 1;  // Past the comma; past the brace after the last.
  }
  return {};
}

void Value::find_each(std::span<const std::string_view> keys, std::span<Value> found) const {
  if (!is(Kind::Object)) return;
  const std::uint32_t end = tokens_->close[token_];
  for (std::uint32_t token = token_ + 1; token < end;) {
    const Value value(tokens_, token + 2);
    const Name name(*tokens_, token);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!name.is(keys[i]) || found[i].tokens_ != nullptr) continue;
      found[i] = value;
      break;
    }
    token = value.next_token() + 1;
  }
}

Value::Members Value::members() const {
  if (!is(Kind::Object)) return {tokens_, 0, 0};
  return {tokens_, token_ + 1, tokens_->close[token_]};
}

Value::Elements Value::elements() const {
  if (!is(Kind::Array)) return {tokens_, 0, 0};
  return {tokens_, token_ + 1, tokens_->close[token_]};
}

struct Document::Buffers {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::unique_ptr<std::uint32_t[]> close;
  std::size_t close_capacity = 0;
};

struct Document::Pool {
  std::vector<std::unique_ptr<Buffers>> free;
  static Pool& of_thread() {
    thread_local Pool pool;
    return pool;
  }
};

Document::Document() = default;

Document::~Document() {
  if (!buffers_ || !buffers_->parser || buffers_->parser->capacity() > kPooledCapacityMax) return;
  auto& free = Pool::of_thread().free;
  if (free.size() < kPooledMax) free.push_back(std::move(buffers_));
}

Status Document::parse(std::string_view text) {
  if (text.size() >= UINT32_MAX) return broken("it is too long", 0);
  if (!buffers_) {
    auto& free = Pool::of_thread().free;
    if (free.empty()) {
      buffers_ = std::make_unique<Buffers>();
    } else {
      buffers_ = std::move(free.back());
      free.pop_back();
    }
  }
  Buffers& buffers = *buffers_;
  if (!buffers.parser || buffers.parser->capacity() < text.size()) {
    std::size_t capacity = kSmallestCapacity;
    while (capacity < text.size()) capacity *= 2;
    buffers.parser.reset();
    const auto error =
        simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, kDepthMax, buffers.parser);
    if (error != simdjson::SUCCESS) return base::fail(ErrorKind::Internal, "out of memory for JSON");
  }
  const auto error = buffers.parser->stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                            simdjson::stage1_mode::regular);
  switch (error) {
    case simdjson::SUCCESS:
      break;
    case simdjson::EMPTY:
      return broken("it is empty", 0);
    case simdjson::UTF8_ERROR:
      return broken("it is not UTF-8", 0);
    case simdjson::UNCLOSED_STRING:
      return broken("a string has no end", text.size());
    case simdjson::UNESCAPED_CHARS:
      return broken("a string holds an unescaped control character", 0);
    default:
      return broken(simdjson::error_message(error), 0);
  }
  const std::uint32_t count = buffers.parser->n_structural_indexes;
  const std::uint32_t* at = buffers.parser->structural_indexes.get();
  if (buffers.close_capacity < count) {
    buffers.close_capacity = std::max<std::size_t>(count, 256);
    // Not initialised: only the slots of opening brackets are read, and the check writes them.
    buffers.close.reset(new std::uint32_t[buffers.close_capacity]);
  }
  std::uint32_t fault = 0;
  if (const char* reason = check(text, at, count, buffers.close.get(), fault)) {
    return broken(reason, fault < count ? at[fault] : text.size());
  }
  tokens_ = {text, at, buffers.close.get(), count, text.find('\\') != std::string_view::npos};
  return {};
}

Value Document::root() const {
  return tokens_.count == 0 ? Value() : Value(&tokens_, 0);
}

}  // namespace turnpike::json
